using Attention.Data;
using Attention.Torch;
using Xunit;

namespace Attention.Tests.Data;

public class DetectionPainterTests
{
    private static readonly Colour ground = new(40, 40, 40);

    [Fact]
    public void A_box_has_its_border_in_the_colour_of_its_class_and_nothing_inside()
    {
        var image = Grey(60, 50);
        DetectionPainter.Draw(image, [new DrawnObject(3, "") { Box = [10, 12, 40, 30] }]);
        var colour = Palette.Of(3);
        for (int y = 0; y < 50; y++)
            for (int x = 0; x < 60; x++)
            {
                bool isBorder = x is >= 10 and < 40 && y is >= 12 and < 30 && (x is 10 or 39 || y is 12 or 29);
                Assert.Equal(isBorder ? colour : ground, At(image, x, y));
            }
    }

    [Fact]
    public void A_mask_is_translucent_and_its_border_less_so()
    {
        var image = Grey(20, 10);
        var mask = new byte[200];
        for (int y = 2; y < 8; y++)
            mask.AsSpan(y * 20 + 5, 10).Fill(1);
        DetectionPainter.Draw(image, [new DrawnObject(0, "") { Mask = mask }], new PaintOptions { Opacity = 0.5 });
        var colour = Palette.Of(0);
        Assert.Equal((40 + colour.Red) / 2, At(image, 8, 5).Red, 1.0);
        Assert.Equal((40 + 3 * colour.Red) / 4, At(image, 5, 5).Red, 1.0);
        Assert.Equal(ground, At(image, 4, 5));
        Assert.Equal(ground, At(image, 8, 8));
    }

    [Fact]
    public void Poses_join_the_keypoints_that_are_seen()
    {
        var image = Grey(40, 40);
        DetectionPainter.Draw(image, [new DrawnObject(5, "") { Keypoints = [5, 20, 2, 35, 20, 1, 20, 35, 0] }], new PaintOptions { Skeleton = [(0, 1), (1, 2)] });
        Assert.Equal(Palette.Of(1), At(image, 5, 20));
        Assert.Equal(Palette.Of(2), At(image, 35, 20));
        Assert.Equal(Palette.Of(5), At(image, 20, 20));
        Assert.Equal(ground, At(image, 20, 35));
        Assert.Equal(ground, At(image, 28, 28));

        var unsure = Grey(40, 40);
        DetectionPainter.Draw(unsure, [new DrawnObject(5, "") { Keypoints = [5, 20, 0.4f, 35, 20, 0.2f] }], new PaintOptions { Skeleton = [(0, 1)], LeastKeypoint = 0.3 });
        Assert.Equal(Palette.Of(1), At(unsure, 5, 20));
        Assert.Equal(ground, At(unsure, 20, 20));
    }

    [Fact]
    public void Names_and_scores_stand_above_the_box_or_inside_where_there_is_no_room()
    {
        var image = Grey(100, 60);
        DetectionPainter.Draw(image, [new DrawnObject(2, "I") { Score = 0.914, Box = [20, 30, 60, 55] }]);
        // The ground of "I 0.91": 6 letters of 6 pixels and one more, 9 high, above the box.
        Assert.Equal(ground, At(image, 19, 25));
        Assert.Equal(Palette.Of(2), At(image, 20, 21));
        Assert.Equal(Palette.Of(2), At(image, 56, 29));
        Assert.Equal(ground, At(image, 57, 25));
        Assert.Equal(ground, At(image, 30, 20));
        // The I: serifs of three pixels around a stem in the third column of five.
        string[] letter = [.. Enumerable.Range(0, 7).Select(row => string.Concat(Enumerable.Range(0, 5).Select(column => At(image, 21 + column, 22 + row) == Palette.Of(2) ? '.' : '#')))];
        Assert.Equal([".###.", "..#..", "..#..", "..#..", "..#..", "..#..", ".###."], letter);

        var top = Grey(100, 60);
        DetectionPainter.Draw(top, [new DrawnObject(2, "I") { Box = [90, 3, 99, 30] }]);
        Assert.Equal(Palette.Of(2), At(top, 96, 3));
        Assert.Equal(Palette.Of(2), At(top, 93, 11));
    }

    [Fact]
    public void Whatever_lies_outside_is_cut()
    {
        var image = Grey(30, 20);
        var objects = new[] { -1e9f, -40, 5, 29, 1e9f, float.NaN, float.PositiveInfinity }
            .SelectMany(x => new[] { -1e9f, 10, 1e9f }.Select(y => new DrawnObject(7, "a long name of \u00e9\u4e2d") { Score = 1, Box = [x, y, x + 10, y + 5], Keypoints = [x, y, 2, -x, 5, 2] }));
        DetectionPainter.Draw(image, [.. objects], new PaintOptions { Skeleton = [(0, 1)] });
        Assert.Contains(Enumerable.Range(0, 600), i => At(image, i % 30, i / 30) != ground);
    }

    [Fact]
    public void Classes_of_pixels_are_laid_over_the_image()
    {
        var image = Grey(3, 1);
        DetectionPainter.DrawClasses(image, [0, 255, 1], opacity: 1);
        Assert.Equal([Palette.Of(0), ground, Palette.Of(1)], [At(image, 0, 0), At(image, 1, 0), At(image, 2, 0)]);
    }

    [Fact]
    public void Classes_have_different_colours() => Assert.Equal(90, Enumerable.Range(0, 90).Select(Palette.Of).Distinct().Count());

    [Fact]
    public void The_skeleton_of_people_follows_their_names()
    {
        Assert.Equal(19, KeypointNames.Skeleton(KeypointNames.Person).Count);
        Assert.Equal([(1, 0)], KeypointNames.Skeleton(["left_hip", "left_knee", "tail"]));
    }

    private static Image Grey(int width, int height)
    {
        var image = new Image(width, height);
        image.Pixels.Fill(40);
        return image;
    }

    private static Colour At(Image image, int x, int y) => new(image[x, y][0], image[x, y][1], image[x, y][2]);
}
