using Attention.Data;
using Attention.Data.Samples;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Xunit;

namespace Attention.Tests.Data;

public sealed class SceneDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Scenes_are_rendered_on_first_use_and_give_objects_people_and_classes()
    {
        var config = new ScenesConfig { path = _folder.File("scenes"), train_images = 24, val_images = 6, width = 96, height = 64 };
        var said = new List<string>();
        (IDenseDataset Train, IDenseDataset Held) Open(DenseTargets targets) => DenseData.Open(config, targets, new() { EmptyImages = false }, new(), said.Add, Assert.Fail);
        var objects = Open(DenseTargets.Objects);
        Assert.Equal([$"rendering 30 scenes of shapes and people into {config.path}"], said);
        Assert.Equal((24, 6), (objects.Train.Count, objects.Held.Count));
        Assert.Equal(ScenesDataset.Categories, objects.Train.ClassNames);

        var people = Open(DenseTargets.Keypoints);
        Assert.Equal(KeypointNames.Person, people.Train.KeypointNames);
        Assert.Equal(["person"], people.Train.ClassNames);
        Assert.InRange(people.Train.Count, 3, 23);
        Assert.Equal(6, people.Held.Count);

        var classes = Open(DenseTargets.Classes);
        Assert.Equal(["ground", .. ScenesDataset.Categories], classes.Train.ClassNames);
        Assert.Single(said);

        using var loader = new DenseLoader(objects.Train, DensePipeline.Parse(""), new DenseLoaderOptions { BatchSize = 8 });
        using var maps = new DenseLoader(classes.Train, DensePipeline.Parse(""), new DenseLoaderOptions { BatchSize = 8 });
        foreach (var (batch, labelled) in loader.Epoch(0).Zip(maps.Epoch(0)))
            foreach (var (sample, map) in batch.Samples.Zip(labelled.Samples))
            {
                // The map shows the class of the object in front, and the masks do not overlap.
                var expected = new byte[64 * 96];
                foreach (var each in sample.Objects)
                    for (int i = 0; i < expected.Length; i++)
                        expected[i] += (byte)(each.Mask![i] * (each.Label + 1));
                Assert.Equal(expected, map.Classes);
            }
    }

    [Fact]
    public void Visible_keypoints_lie_on_their_person_whatever_is_done_to_the_image()
    {
        var config = new ScenesConfig { path = _folder.File("scenes"), train_images = 30, val_images = 1 };
        var people = DenseData.Open(config, DenseTargets.Keypoints, new() { EmptyImages = false }, new(), _ => { }, Assert.Fail).Train;
        using var loader = new DenseLoader(people, DensePipeline.Parse("large_scale_jitter(160, 192, scale=(0.7, 1.5))|hflip"), new DenseLoaderOptions { BatchSize = 4 });
        int seen = 0, near = 0;
        foreach (var sample in loader.Epoch(0).SelectMany(batch => batch.Samples))
            foreach (var each in sample.Objects)
                for (int i = 0; i < each.Keypoints!.Length; i += 3)
                    if (each.Keypoints[i + 2] == 2)
                    {
                        var (x, y) = ((int)MathF.Round(each.Keypoints[i]), (int)MathF.Round(each.Keypoints[i + 1]));
                        seen++;
                        for (int v = Math.Max(0, y - 1); v <= Math.Min(159, y + 1); v++)
                            if (each.Mask.AsSpan(v * 192 + Math.Max(0, x - 1), Math.Min(191, x + 1) - Math.Max(0, x - 1) + 1).Contains((byte)1))
                            {
                                near++;
                                break;
                            }
                    }
        Assert.True(seen > 200);
        Assert.Equal(seen, near);
    }

    [Fact]
    public void A_contact_sheet_shows_what_is_annotated()
    {
        var config = new ScenesConfig { path = _folder.File("scenes"), train_images = 12, val_images = 3 };
        var parts = DataSource.Open(config);
        Assert.Equal(["train", "val"], parts.Select(part => part.Name));
        Assert.All(parts, part => Assert.Empty(DatasetCheck.Run(part.Images).Broken));
        var (sheet, rows) = ContactSheet.Make(parts[0].Images, rows: 3, columns: 4);
        Assert.Equal(3, rows.Count);
        Assert.Equal((4 * 164 + 4, 3 * 164 + 4), (sheet.Width, sheet.Height));

        // A box in full colour, from among the objects of the first image of the first row.
        var colours = Enumerable.Range(0, sheet.Width * sheet.Height).Select(i => new Colour(sheet.Pixels[3 * i], sheet.Pixels[3 * i + 1], sheet.Pixels[3 * i + 2])).ToHashSet();
        int label = ScenesDataset.Categories.ToList().IndexOf(rows[0]);
        Assert.Contains(Palette.Of(label), colours);

        var found = DataSource.Open(config.path);
        Assert.Equal(2, found.Count);
        Assert.IsType<Coco>(found[0].Images);
    }
}
