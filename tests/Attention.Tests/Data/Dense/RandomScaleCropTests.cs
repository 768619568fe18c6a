using Attention.Data;
using Attention.Torch;
using Xunit;

namespace Attention.Tests.Data.Dense;

public class RandomScaleCropTests
{
    private static DenseImage Halves(int width, int height) => new(new Image(width, height, new byte[width * height * 3]), height, width, [],
        [.. Enumerable.Range(0, width * height).Select(i => (byte)(i % width < width / 2 ? 3 : 7))]);

    private static DenseImage Apply(DenseTransform transform, DenseImage image, long seed)
    {
        var random = new SeededRandom(seed);
        return transform.Apply(image, new DenseContext(new ImageScratch(), [], (ref SeededRandom _) => null), ref random);
    }

    [Fact]
    public void The_result_has_one_size_and_the_map_goes_with_the_image()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            var result = Apply(new RandomScaleCrop(32, 48, (0.5, 2)), Halves(80, 40), seed);
            Assert.Equal((32, 48), (result.Height, result.Width));
            Assert.Equal(32 * 48, result.Classes!.Length);
            Assert.Subset(new HashSet<byte> { 3, 7, LabelMapFolder.None }, result.Classes.ToHashSet());
        }
    }

    [Fact]
    public void A_small_scale_leaves_a_rim_without_a_class()
    {
        var result = Apply(new RandomScaleCrop(32, 32, (0.5, 0.5)), Halves(32, 32), 0);
        Assert.Equal(16 * 16, result.Classes!.Count(value => value != LabelMapFolder.None));
        Assert.Equal(3, result.Classes![0]);
        Assert.Equal(LabelMapFolder.None, result.Classes![^1]);
    }

    [Fact]
    public void One_class_does_not_fill_the_crop_where_another_place_is_better()
    {
        int filled = 0, filledAtMost = 0;
        for (int seed = 0; seed < 100; seed++)
        {
            filled += Share(Apply(new RandomScaleCrop(20, 20, (2, 2)), Halves(60, 20), seed)) > 0.75 ? 1 : 0;
            filledAtMost += Share(Apply(new RandomScaleCrop(20, 20, (2, 2), most: 0.75), Halves(60, 20), seed)) > 0.75 ? 1 : 0;
        }
        Assert.True(filled > 50, $"{filled}");
        Assert.True(filledAtMost < filled / 2, $"{filledAtMost} of {filled}");
    }

    private static double Share(DenseImage image) => image.Classes!.GroupBy(value => value).Max(group => group.Count()) / (double)image.Classes!.Length;
}
