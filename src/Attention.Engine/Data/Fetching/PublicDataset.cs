namespace Attention.Engine.Data.Fetching;

/// <summary>A file of a public data set.</summary>
/// <param name="Url">Where it is published.</param>
/// <param name="Checksum">md5:, sha1: or sha256: and hexadecimal digits.</param>
/// <param name="Megabytes">About how large it is.</param>
public sealed record PublicFile(string Url, string Checksum, int Megabytes)
{
    public string Name => Url[(Url.LastIndexOf('/') + 1)..];
}

/// <summary>A public data set: what is downloaded, or what a person has to place where.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="What">One line about it.</param>
/// <param name="Files">What is downloaded and unpacked; nothing where a person has to agree to terms first.</param>
/// <param name="Layout">What lies in its folder in the end, and where it comes from.</param>
/// <param name="Config">The data section of a config that reads it.</param>
public sealed record PublicDataset(string Name, string What, IReadOnlyList<PublicFile> Files, string Layout, string Config)
{
    /// <summary>Every data set that <c>attention data fetch</c> knows.</summary>
    public static IReadOnlyList<PublicDataset> All { get; } =
    [
        new("cifar10", "60,000 images of 32 x 32 pixels, 10 classes",
            [new("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530", 162)],
            "cifar-10-batches-bin/data_batch_1.bin to data_batch_5.bin and test_batch.bin", "data: {name: cifar10, path: FOLDER, image_size: 32}"),
        new("cifar100", "60,000 images of 32 x 32 pixels, 100 classes",
            [new("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "md5:03b5dce01913d631647c71ecec9e9cb8", 161)],
            "cifar-100-binary/train.bin and test.bin", "data: {name: cifar100, path: FOLDER, image_size: 32}"),
        new("mnist", "70,000 handwritten digits of 28 x 28 pixels",
            [
                new("https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873", 10),
                new("https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz", "md5:d53e105ee54ea40749a09fcbcd1e9432", 1),
                new("https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz", "md5:9fb629c4189551a2d022fa330f9573f3", 2),
                new("https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz", "md5:ec29112dd5afa0611ce80d1b7f02629c", 1),
            ],
            "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz",
            "data: {name: mnist, path: FOLDER, image_size: 28}"),
        new("fashion_mnist", "70,000 pictures of clothing of 28 x 28 pixels, 10 classes",
            [
                new("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26),
                new("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe", 1),
                new("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79", 5),
                new("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310", 1),
            ],
            "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz",
            "data: {name: mnist, path: FOLDER, image_size: 28}"),
        new("imagenette", "13,394 images of 10 classes of ImageNet, shorter side 320",
            [new("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz", "md5:3df6f0d01a2c9592104656642f5e78a3", 326)],
            "imagenette2-320/train/n01440764/*.JPEG and imagenette2-320/val/n01440764/*.JPEG", "data: {name: image_folder, path: FOLDER/imagenette2-320}"),
        new("coco_val2017", "5,000 validation images of COCO and the annotations of both parts",
            [
                new("http://images.cocodataset.org/zips/val2017.zip", "sha1:4950dc9d00dbe1c933ee0170f5797584351d2a41", 778),
                new("http://images.cocodataset.org/annotations/annotations_trainval2017.zip", "sha1:8551ee4bb5860311e79dace7e79cb91e432e78b3", 241),
            ],
            "val2017/*.jpg and annotations/instances_val2017.json", "data: {name: coco, path: FOLDER}"),
        new("coco_train2017", "118,287 training images of COCO; fetch coco_val2017 into the same folder for the annotations",
            [new("http://images.cocodataset.org/zips/train2017.zip", "sha1:10ad623668ab00c62c096f0ed636d6aff41faca5", 18_000)],
            "train2017/*.jpg", "data: {name: coco, path: FOLDER}"),
        new("ade20k", "22,210 scenes with the class of each pixel, 150 classes",
            [new("http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip", "sha1:219e1696abb36c8ba3a3afe7fb2f4b4606a897c7", 923)],
            "ADEChallengeData2016/images/training/*.jpg and ADEChallengeData2016/annotations/training/*.png",
            "data: {name: label_maps, path: FOLDER/ADEChallengeData2016}"),
        new("imagenet", "1,281,167 training and 50,000 validation images of 1,000 classes", [],
            "train/n01440764/*.JPEG and val/*.JPEG with val_labels.txt (lines such as 'ILSVRC2012_val_00000001 n01751748'), LOC_val_solution.csv or class folders "
            + "in val; LOC_synset_mapping.txt for the words and real.json for ReaL labels. ImageNet may be had after agreeing to its terms: "
            + "image-net.org/download.php (ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar) or kaggle.com/c/imagenet-object-localization-challenge",
            "data: {name: imagenet, path: FOLDER}"),
    ];

    /// <summary>Finds one by its name.</summary>
    /// <exception cref="UserError">There is none; the nearest name is given.</exception>
    public static PublicDataset Find(string name) => All.FirstOrDefault(each => each.Name == name)
        ?? throw new UserError($"there is no public data set named '{name}'", Spelling.Advice(name, [.. All.Select(each => each.Name)]));
}
