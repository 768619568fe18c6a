using System.Buffers.Binary;
using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Torch;

namespace Attention.Tests.Data;

/// <summary>Every kind of data set: what it reads, and that hostile input is refused.</summary>
public sealed class DatasetTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Cifar10_is_read_from_the_binary_version()
    {
        for (int i = 1; i <= 5; i++)
            Write($"cifar-10-batches-bin/data_batch_{i}.bin", [.. CifarRecord([(byte)i], 10 * i), .. CifarRecord([9], 7)]);
        Write("cifar-10-batches-bin/test_batch.bin", CifarRecord([3], 1));
        var train = Cifar.Open10(_folder.Path, train: true);
        Assert.Equal([1, 9, 2, 9, 3, 9, 4, 9, 5, 9], Enumerable.Range(0, train.Count).Select(train.LabelOf));
        Assert.Equal("airplane", train.ClassNames[0]);
        var image = Loaded(train, 2);
        Assert.Equal((32, 32), (image.Width, image.Height));
        Assert.Equal([20, 21, 22], image[5, 9].ToArray());
        Assert.Equal(1, Cifar.Open10(_folder.File("cifar-10-batches-bin"), train: false).Count);

        Write("cifar-10-batches-bin/test_batch.bin", CifarRecord([3], 1)[..3000]);
        Assert.Contains("3000 bytes", Assert.Throws<UserError>(() => Cifar.Open10(_folder.Path, train: false)).Message);
        Write("cifar-10-batches-bin/test_batch.bin", CifarRecord([10], 1));
        Assert.Contains("has the label 10, but there are 10 classes", Assert.Throws<UserError>(() => Cifar.Open10(_folder.Path, train: false)).Message);
    }

    [Fact]
    public void Cifar100_has_coarse_and_fine_labels()
    {
        Write("test.bin", CifarRecord([4, 77], 50));
        Text("fine_label_names.txt", string.Join('\n', Enumerable.Range(0, 100).Select(i => $"fine{i}")));
        Assert.Equal("fine77", Named(Cifar.Open100(_folder.Path, train: false), 0));
        Assert.Equal("4", Named(Cifar.Open100(_folder.Path, train: false, coarse: true), 0));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Idx_files_are_read_plain_or_compressed(bool compressed)
    {
        byte[] Stored(byte[] bytes)
        {
            if (!compressed)
                return bytes;
            var stream = new MemoryStream();
            using (var gzip = new GZipStream(stream, CompressionLevel.Fastest))
                gzip.Write(bytes);
            return stream.ToArray();
        }
        string end = compressed ? ".gz" : "";
        Write($"t10k-images-idx3-ubyte{end}", Stored(Idx(0x803, [2, 3, 4], [.. Enumerable.Range(0, 24).Select(i => (byte)i)])));
        Write($"t10k-labels-idx1-ubyte{end}", Stored(Idx(0x801, [2], [7, 2])));
        var images = IdxImages.Open(_folder.Path, train: false);
        Assert.Equal([7, 2], new[] { images.LabelOf(0), images.LabelOf(1) });
        var image = Loaded(images, 1);
        Assert.Equal((4, 3), (image.Width, image.Height));
        Assert.Equal([17, 17, 17], image[1, 1].ToArray());

        foreach (int[] sizes in new int[][] { [2, 3, 5], [int.MaxValue, int.MaxValue, int.MaxValue], [-1, 3, 4], [2_000_000_000, 1, 1], [2, 3, 3] })
        {
            Write($"t10k-images-idx3-ubyte{end}", Stored(Idx(0x803, sizes, new byte[24])));
            Assert.Contains("is no idx file", Assert.Throws<UserError>(() => IdxImages.Open(_folder.Path, train: false)).Message);
        }
        Write($"t10k-images-idx3-ubyte{end}", [0, 0, 8]);
        Assert.Contains("is no idx file", Assert.Throws<UserError>(() => IdxImages.Open(_folder.Path, train: false)).Message);
    }

    [Theory]
    [InlineData("list.csv", "label,path\ndog,a/1.png\n\"cat, black\",\"2.png\"\n")]
    [InlineData("list.json", """[{"path": "a/1.png", "label": "dog"}, {"image": "2.png", "class": "cat, black"}]""")]
    [InlineData("list.jsonl", """
        {"path": "a/1.png", "label": "dog"}

        {"path": "2.png", "label": "cat, black"}
        """)]
    public void Lists_name_images_and_labels(string name, string text)
    {
        Picture("a/1.png", 8);
        Picture("2.png", 9);
        var list = ImageList.Open(Text(name, text));
        Assert.Equal(["cat, black", "dog"], list.ClassNames);
        Assert.Equal([1, 0], new[] { list.LabelOf(0), list.LabelOf(1) });
        Assert.Equal((8, 9), (Loaded(list, 0).Width, Loaded(list, 1).Width));
        Assert.Null(list.Weights);
    }

    [Fact]
    public void Numbers_in_lists_are_labels_and_weights_are_read()
    {
        var list = ImageList.Open(Text("x.csv", "path,label,weight\na.png,2,0.5\nb.png,0,3\n"));
        Assert.Equal(["0", "1", "2"], list.ClassNames);
        Assert.Equal([0.5, 3], list.Weights);
    }

    [Theory]
    [InlineData("x.csv", "file;class\n", "line 1: the heading 'file;class' names no path")]
    [InlineData("x.csv", "path,label\na.png\n", "line 2: 1 fields, but the heading has 2")]
    [InlineData("x.csv", "path,label\na.png,\n", "line 2: there is no label")]
    [InlineData("x.csv", "path,label,weight\na.png,b,-1\n", "line 2: the weight is '-1'")]
    [InlineData("x.csv", "path,label\n", "lists no images")]
    [InlineData("x.json", "{}", "is not an array of objects")]
    [InlineData("x.json", "[{\"path\": 3}]", "entry 1: there is no label")]
    [InlineData("x.jsonl", "{\"path\": \"a\", \"label\": 1}\n{", "line 2: it is no JSON")]
    public void Wrong_lists_say_where(string name, string text, string message) =>
        Assert.Contains(message, Assert.Throws<UserError>(() => ImageList.Open(Text(name, text))).Message);

    [Fact]
    public void Imagenet_is_read_with_class_folders()
    {
        foreach (string file in new[] { "train/n02/a.JPEG", "train/n01/b.JPEG", "val/n02/c.JPEG" })
            Picture(file, 8);
        Text("LOC_synset_mapping.txt", "n01 tench, Tinca tinca\nn02 goldfish\n");
        var train = ImageNet.Open(_folder.Path, train: true);
        Assert.Equal(["n01", "n02"], train.ClassNames);
        Assert.Equal(["tench, Tinca tinca", "goldfish"], train.Words);
        Assert.Equal(1, ImageNet.Open(_folder.Path, train: false, classes: train.ClassNames).LabelOf(0));
    }

    [Theory]
    [InlineData("val_labels.txt", "ILSVRC2012_val_00000002.JPEG n01\nILSVRC2012_val_00000001.JPEG n02\n", null)]
    [InlineData("LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000002,n01 1 2 3 4\nILSVRC2012_val_00000001,n02 1 1 5 5\n", null)]
    [InlineData("imagenet_2012_validation_synset_labels.txt", "n02\nn01\n", null)]
    [InlineData("ILSVRC2012_validation_ground_truth.txt", "1\n2\n", "1 n02\n2 n01\n")]
    public void Imagenets_flat_validation_folder_takes_its_labels_from_a_list(string name, string text, string? mapping)
    {
        Picture("val/ILSVRC2012_val_00000001.JPEG", 8);
        Picture("val/ILSVRC2012_val_00000002.JPEG", 9);
        Text(name, text);
        if (mapping is not null)
            Text("ILSVRC2012_mapping.txt", mapping);
        Text("real.json", "[[1, 0], []]");
        var images = ImageNet.Open(_folder.Path, train: false);
        Assert.Equal([1, 0], new[] { images.LabelOf(0), images.LabelOf(1) });
        Assert.Equal(_folder.File("real.json"), images.RealLabelsFile);
        Assert.Equal(8, Loaded(images, 0).Width);
    }

    [Fact]
    public void A_flat_validation_folder_without_labels_says_what_to_place_where()
    {
        Picture("val/ILSVRC2012_val_00000001.JPEG", 8);
        var error = Assert.Throws<UserError>(() => ImageNet.Open(_folder.Path, train: false));
        Assert.Contains("no list of their labels was found", error.Message);
        Assert.Contains("val_labels.txt", error.Advice);
        Text("ILSVRC2012_validation_ground_truth.txt", "3");
        Assert.Contains("ILSVRC2012_mapping.txt", Assert.Throws<UserError>(() => ImageNet.Open(_folder.Path, train: false)).Advice);
    }

    [Fact]
    public void Shards_hold_samples_of_several_files()
    {
        Tar("train-000.tar", ("s/0001.jpg", Jpeg(8)), ("s/0001.cls", "2"u8.ToArray()), ("s/0002.json", """{"label": 0}"""u8.ToArray()), ("s/0002.png", Png(9)));
        Tar("train-001.tar", ($"{new string('d', 150)}/0003.jpg", Jpeg(10)), ($"{new string('d', 150)}/0003.cls", " 1\n"u8.ToArray()));
        using var shards = new TarShards(_folder.File("train-{000..001}.tar"));
        Assert.Equal([2, 0, 1], Enumerable.Range(0, 3).Select(shards.LabelOf));
        Assert.Equal([8, 9, 10], Enumerable.Range(0, 3).Select(i => Loaded(shards, i).Width));
        Assert.Equal(["0", "1", "2"], shards.ClassNames);
        Assert.EndsWith("train-000.tar!s/0001.jpg", shards.NameOf(0));
        Text("classes.txt", "ant\nbee\ncat\n");
        using var named = new TarShards(_folder.File("train-*.tar"));
        Assert.Equal("cat", Named(named, 0));
    }

    [Fact]
    public void Archives_of_class_folders_are_shards_as_well()
    {
        Tar("all.tar", ("x/dog/1.jpg", Jpeg(8)), ("x/cat/1.jpg", Jpeg(8)), ("x/cat/2.png", Png(9)), ("../../../etc/passwd", "no image"u8.ToArray()));
        using var shards = new TarShards(_folder.File("all.tar"));
        Assert.Equal(["dog", "cat", "cat"], Enumerable.Range(0, 3).Select(i => Named(shards, i)));
        Assert.Equal(["all.tar"], Directory.EnumerateFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [SkippableFact]
    public void The_sample_of_ImageNet_is_read_from_its_archive()
    {
        using var shards = new TarShards(SharedFiles.Require("data/imagenet-sample-200.tar"));
        Assert.Equal(200, shards.Count);
        Assert.Equal(200, shards.ClassNames.Count);
        Assert.Empty(shards.Unreadable);
        Assert.All(new[] { 0, 99, 199 }, i => Assert.True(Loaded(shards, i).Width > 50));
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(0.55)]
    [InlineData(0.9)]
    public void A_tar_cut_in_the_middle_is_named_counted_and_survived(double share)
    {
        Tar("a.tar", [.. Enumerable.Range(0, 20).Select(i => ($"cat/{i:D2}.png", Png(30)))]);
        byte[] whole = File.ReadAllBytes(_folder.File("a.tar"));
        int length = (int)(whole.Length * share) / 512 * 512 + 100;
        Write("a.tar", whole[..length]);
        using var shards = new TarShards(_folder.File("a.tar"));
        string fault = Assert.Single(shards.Unreadable);
        Assert.StartsWith(_folder.File("a.tar"), fault);
        Assert.Contains("the archive is cut", fault);
        var report = DatasetCheck.Run(shards);
        Assert.InRange(report.Images, 3, 19);
        Assert.InRange(report.Broken.Count, 0, 1);
        Assert.All(report.Broken, reason => Assert.Contains("the archive ends inside of it", reason));
    }

    [Fact]
    public void Damaged_archives_never_do_worse_than_an_error()
    {
        Tar("a.tar", [.. Enumerable.Range(0, 4).Select(i => ($"cat/{i:D2}.png", Png(12)))]);
        byte[] whole = File.ReadAllBytes(_folder.File("a.tar"));
        var random = new Random(1);
        for (int trial = 0; trial < 300; trial++)
        {
            byte[] damaged = [.. whole];
            for (int i = 0; i < 8; i++)
                damaged[trial % 2 == 0 ? random.Next(damaged.Length) : random.Next(4) * 1024 % damaged.Length + random.Next(512)] = (byte)random.Next(256);
            Write("a.tar", damaged);
            try
            {
                using var shards = new TarShards(_folder.File("a.tar"));
                DatasetCheck.Run(shards);
            }
            catch (UserError)
            {
            }
        }
    }

    [Fact]
    public void Coco_instances_keypoints_and_captions_are_read()
    {
        Picture("images/1.png", 20, 15);
        var coco = new Coco(_folder.File("images"), Text("a.json", """
            {"images": [{"id": 5, "file_name": "1.png", "width": 20, "height": 15}, {"id": 9, "file_name": "gone.png"}],
             "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person", "keypoints": ["nose", "eye"]}],
             "annotations": [
              {"id": 7, "image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0, "segmentation": [[1, 2, 4, 2, 4, 6]], "keypoints": [1, 2, 2, 0, 0, 0]},
              {"id": 8, "image_id": 5, "category_id": 18, "bbox": [0, 0, 9, 9], "area": 5, "iscrowd": 1, "segmentation": {"size": [15, 20], "counts": [295, 5]}},
              {"id": 9, "image_id": 9, "caption": "a dog"}, {"id": 10, "image_id": 77, "category_id": 1}]}
            """));
        Assert.Equal(["dog", "person"], coco.ClassNames);
        Assert.Equal([18, 1], coco.CategoryIds);
        Assert.Equal(["nose", "eye"], coco.KeypointNames);
        var (person, dog) = (coco.ObjectsIn(0)[0], coco.ObjectsIn(0)[1]);
        Assert.Equal((1, 12.0, false, 6), (person.Label, person.Area, person.IsCrowd, person.Polygons[0].Length));
        Assert.Equal([1, 2, 2, 0, 0, 0], person.Keypoints);
        Assert.True(dog.IsCrowd);
        Assert.Equal([295, 5], dog.Runs!.Counts);
        Assert.Equal(["a dog"], coco.CaptionsOf(1));
        Assert.Equal((5, 20), (coco.ImageId(0), Loaded(coco, 0).Width));
        Assert.Contains("image 77, which is not listed", Assert.Single(coco.Unreadable));
        var report = DatasetCheck.Run(coco);
        Assert.Equal([1, 1], report.PerClass);
        Assert.StartsWith(_folder.File("images/gone.png"), Assert.Single(report.Broken));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"images\": [{\"id\": \"x\"}]}")]
    [InlineData("{\"images\"")]
    public void What_is_no_annotation_file_says_so(string text) =>
        Assert.Contains("a.json", Assert.Throws<UserError>(() => new Coco(_folder.Path, Text("a.json", text))).Message);

    [SkippableFact]
    public void Coco_panoptic_maps_are_read()
    {
        string root = Path.GetDirectoryName(SharedFiles.Require("data/coco-panoptic-sample/sample_data/panoptic_examples.json"))!;
        var coco = new Coco(Path.Combine(root, "input_images"), Path.Combine(root, "panoptic_examples.json"));
        Assert.Equal(2, coco.Count);
        for (int i = 0; i < 2; i++)
        {
            var (width, height, ids) = coco.LoadPanoptic(i, new ImageScratch());
            var image = Loaded(coco, i);
            Assert.Equal((image.Width, image.Height), (width, height));
            Assert.Equal(coco.SegmentsIn(i).Select(segment => segment.Id).Order(), ids.Where(id => id != 0).Distinct().Order());
        }
    }

    [Fact]
    public void Label_maps_are_paired_with_their_images()
    {
        Picture("images/training/a.jpg", 4, 3);
        Picture("images/training/lonely.jpg", 4, 3);
        Write("annotations/training/a.png", ImageCodec.EncodePng(new LabelMap(4, 3, [0, 1, 2, 3, 1, 1, 1, 1, 2, 2, 2, 2])));
        Text("objectInfo150.txt", "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.1\t1\t1\t1\twall\n2\t0.1\t1\t1\t1\tbuilding, edifice\n3\t0.1\t1\t1\t1\tsky\n");
        var maps = LabelMapFolder.Open(_folder.Path, "training");
        Assert.Equal(["wall", "building", "sky"], maps.ClassNames);
        Assert.Equal([255, 0, 1, 2, 0, 0, 0, 0, 1, 1, 1, 1], maps.LoadMap(0).Values);
        Assert.Equal([0, 1, 2], maps.LabelsIn(0));
        Assert.Contains("lonely.jpg", Assert.Single(maps.Unreadable));

        Write("annotations/training/a.png", ImageCodec.EncodePng(new LabelMap(4, 3, [9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])));
        Assert.Contains("it holds the class 8, but there are 3", Assert.Throws<ImageError>(() => maps.LoadMap(0)).Message);
        Write("annotations/training/a.png", ImageCodec.EncodePng(new LabelMap(2, 2, [1, 1, 1, 1])));
        Assert.Contains("its map has 2 x 2 pixels, the image 4 x 3", Assert.Single(DatasetCheck.Run(maps).Broken));
    }

    [Fact]
    public void Faults_of_every_kind_are_named_counted_and_survived()
    {
        for (int i = 0; i < 12; i++)
            Picture($"cat/good{i:D2}.jpg", 16);
        byte[] whole = Jpeg(64);
        Write("cat/truncated.jpg", whole[..(whole.Length / 2)]);
        Write("cat/zero.jpg", []);
        Directory.CreateDirectory(_folder.File("cat/folder.jpg"));
        Write("cat/bomb.png", Sample.PngHuge);
        Write("cat/locked.jpg", whole);
        bool locked = false;
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(_folder.File("cat/locked.jpg"), UnixFileMode.None);
            locked = !CanRead(_folder.File("cat/locked.jpg")); // the superuser reads it all the same
        }
        var images = new ImageFolder(_folder.Path);
        var report = DatasetCheck.Run(images);
        string[] expected = ["bomb.png", "folder.jpg", .. locked ? new[] { "locked.jpg" } : [], "truncated.jpg", "zero.jpg"];
        Assert.Equal(expected, report.Broken.Select(reason => Path.GetFileName(reason.Split(": ")[0])).Order());

        foreach (int workers in new[] { 0, 3 })
        {
            var warned = new List<string>();
            using var loader = new DataLoader(images, TransformPipeline.Parse("random_resized_crop(16)"), new LoaderOptions { BatchSize = 4, Shuffle = true, Workers = workers }, warned.Add);
            int seen = 0;
            foreach (var batch in loader.Epoch(0))
                using (batch)
                    seen += batch.Samples;
            Assert.Equal(images.Count, seen); // others took their places
            Assert.Equal(expected.Length, loader.BrokenCount);
            Assert.All(expected, name => Assert.Contains(warned, line => line.Contains(name, StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void Configs_name_every_kind()
    {
        foreach (string name in PartFamily.Of(typeof(DataConfig))!.Names)
            Assert.IsAssignableFrom<DataConfig>(PartFamily.Of(typeof(DataConfig))!.Defaults(name));
        Text("train.csv", "path,label\na.png,x\nb.png,y\na.png,x\n");
        Text("val.csv", "path,label\nb.png,y\n");
        var (train, held) = DatasetFactory.OpenLabelled(new ListConfig { path = _folder.Path }, _ => { }, _ => { }, default);
        Assert.Equal((3, 1, 1), (train.Count, held.Count, held.LabelOf(0)));
        Assert.IsType<Weighted>(DatasetFactory.Sampler(new ListConfig { balance = 1 }, train));
        Assert.IsType<Repeated>(DatasetFactory.Sampler(new ListConfig { repeats = 3 }, train));
        Assert.Null(DatasetFactory.Sampler(new ListConfig(), train));
        Assert.Throws<UserError>(() => DatasetFactory.Sampler(new ListConfig { repeats = 3, balance = 1 }, train));
        Text("val.csv", "path,label\nb.png,z\n");
        Assert.Contains("line 2: the training images have no class 'z'",
            Assert.Throws<UserError>(() => DatasetFactory.OpenLabelled(new ListConfig { path = _folder.Path }, _ => { }, _ => { }, default)).Message);
    }

    [Fact]
    public void The_kind_of_a_data_set_is_found_out()
    {
        Picture("folders/train/cat/1.jpg", 8);
        Picture("folders/test/cat/1.jpg", 8);
        Assert.Equal(["train", "test"], DataSource.Open(_folder.File("folders")).Select(part => part.Name));
        Assert.IsType<ImageFolder>(DataSource.Open(_folder.File("folders/train")).Single().Images);
        Text("list.csv", "path,label\na.png,x\n");
        Assert.IsType<ImageList>(DataSource.Open(_folder.File("list.csv")).Single().Images);
        Tar("shards/a.tar", ("cat/1.png", Png(8)));
        Assert.IsType<TarShards>(DataSource.Open(_folder.File("shards")).Single().Images);
        Write("cifar/cifar-10-batches-bin/test_batch.bin", CifarRecord([3], 1));
        Assert.IsType<Cifar>(DataSource.Open(_folder.File("cifar")).Single().Images);
        Assert.Throws<UserError>(() => DataSource.Open(_folder.File("nowhere")));
    }

    [Fact]
    public void A_contact_sheet_has_a_row_for_each_class()
    {
        Picture("dog/1.png", 200);
        Picture("cat/1.png", 90, 40);
        Picture("cat/2.png", 20);
        Write("cat/broken.png", []);
        var (sheet, rows) = ContactSheet.Make(new ImageFolder(_folder.Path), columns: 5);
        Assert.Equal(["cat", "dog"], rows);
        Assert.Equal((5 * 100 + 4, 2 * 100 + 4), (sheet.Width, sheet.Height));
        Assert.Equal([255, 255, 255], sheet[450, 150].ToArray()); // a dog alone
    }

    private static bool CanRead(string path)
    {
        try
        {
            File.ReadAllBytes(path);
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static Image Loaded(IImages images, int index) => images.Load(index, new ImageScratch(), ImageNeed.All);

    private static string Named(IImageDataset images, int index) => images.ClassNames[images.LabelOf(index)];

    private static byte[] CifarRecord(byte[] labels, int value) =>
        [.. labels, .. Enumerable.Repeat((byte)value, 1024), .. Enumerable.Repeat((byte)(value + 1), 1024), .. Enumerable.Repeat((byte)(value + 2), 1024)];

    private static byte[] Idx(int magic, int[] sizes, byte[] values)
    {
        var header = new byte[4 * (sizes.Length + 1)];
        BinaryPrimitives.WriteInt32BigEndian(header, magic);
        for (int i = 0; i < sizes.Length; i++)
            BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4 * i + 4), sizes[i]);
        return [.. header, .. values];
    }

    private static Image Noise(int width, int height)
    {
        var image = new Image(width, height);
        new Random(width).NextBytes(image.Pixels);
        return image;
    }

    private static byte[] Jpeg(int size) => ImageCodec.EncodeJpeg(Noise(size, size));

    private static byte[] Png(int size) => ImageCodec.EncodePng(Noise(size, size));

    private void Picture(string name, int width, int? height = null)
    {
        var image = Noise(width, height ?? width);
        Write(name, name.EndsWith(".png", StringComparison.Ordinal) ? ImageCodec.EncodePng(image) : ImageCodec.EncodeJpeg(image));
    }

    private void Write(string name, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(name))!);
        File.WriteAllBytes(_folder.File(name), bytes);
    }

    private string Text(string name, string text)
    {
        Write(name, Encoding.UTF8.GetBytes(text));
        return _folder.File(name);
    }

    private void Tar(string name, params (string Name, byte[] Bytes)[] files)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(name))!);
        using var tar = new TarWriter(File.Create(_folder.File(name)));
        foreach (var (file, bytes) in files)
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, file) { DataStream = new MemoryStream(bytes) });
    }
}
