using Attention.Data;
using Attention.Data.Samples;
using Attention.Data.Text;
using Attention.Engine;
using Attention.Engine.Benchmarks;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Data.Fetching;
using Attention.Engine.Diagnostics;
using Attention.Engine.Evaluation;
using Attention.Engine.Evaluation.Language;
using Attention.Engine.Generation;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Runs.Report;
using Attention.Engine.Training;
using Attention.Engine.Verification;
using Attention.Models.Language;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Examples;

/// <summary>docs/library.md: what each command of the program is in C#.</summary>
internal static class Commands
{
    public static void Run()
    {
        string run = TrainMyData.Latest;
        string image = Directory.GetFiles("data/flowers/val", "*.jpg", SearchOption.AllDirectories).Order(StringComparer.Ordinal).First();
        Look();
        Data();
        Use(run, image);
        Runs(run);
        Text();
    }

    private static void Look()
    {
        foreach (var finding in Doctor.Examine().Take(4))                            // attention doctor
            Console.WriteLine($"{finding.Subject}: {finding.Value}");
        foreach (var model in ModelCatalogue.List("vit_tiny"))                       // attention models vit_tiny
            Console.WriteLine($"{model.Name} {model.Parameters}");
        var config = ExperimentConfig.Load("flowers.yaml");                          // attention config check: a ConfigError lists all mistakes
        foreach (var value in config.Flatten().Take(3))                              // attention config show
            Console.WriteLine($"{value.Key} = {value.Value} from {value.Origin}");
    }

    private static void Data()
    {
        ShapesDataset.Ensure("data/shapes", new ShapesOptions { Size = 32, TrainPerClass = 4, ValPerClass = 2 });   // attention data make shapes
        foreach (var part in DataSource.Open("data/shapes"))                         // attention data check
        {
            var report = DatasetCheck.Run(part.Images);
            Console.WriteLine($"{part.Name}: {report.Images} images, {report.Broken.Count} broken");
            var (sheet, _) = ContactSheet.Make(part.Images, 3);
            File.WriteAllBytes($"{part.Name}.png", ImageCodec.EncodePng(sheet));
        }
    }

    public static void Fetch()
    {
        using var client = new HttpClient();                                         // attention data fetch
        new Fetcher(client, Console.WriteLine).Fetch(PublicDataset.Find("cifar10"), "data/cifar10", CancellationToken.None);
    }

    private static void Use(string run, string image)
    {
        using var classifier = ImageClassifier.Open(new ClassifierOptions { Model = run });
        var held = DataSource.HeldOut("data/flowers");
        ClassificationScores scores = classifier.Evaluate(held, flip: true);         // attention eval
        Console.WriteLine($"{scores.Top1:P1}, calibration error {scores.CalibrationError:P1}");
        EvaluationFiles.Write("results", scores, held.ClassNames);
        foreach (var guess in classifier.Predict(new UnlabelledImages("data/flowers/val/**/*.jpg", image), top: 3).Take(2))  // attention predict
            Console.WriteLine($"{guess.File}: {guess.Classes[0]} ({guess.Probabilities[0]:P1})");

        using var features = FeatureExtractor.Run(classifier, held);                 // attention features
        FeatureFiles.Write("features.npy", features);
        using var voters = FeatureExtractor.Run(classifier, new ImageFolder("data/flowers/train"));
        Console.WriteLine($"{NearestNeighbours.Score(voters, features, 10).Top1:P1} by neighbours");      // attention knn

        using var loader = classifier.Loader(new UnlabelledImages(image));
        using var batch = loader.Epoch(0).First();
        var maps = AttentionMaps.Of(classifier, batch);                              // attention attend
        AttentionPage.Write("maps", "a shape", AttentionPage.ImageOf(batch, classifier), maps, classifier.ClassNames![maps.Class]);
    }

    private static void Runs(string run)
    {
        HtmlReport.Write(RunFolder.Open(run));                                       // attention report
        Console.WriteLine(RunSummary.Read(RunFolder.Open(run).SummaryFile)!.status); // attention runs
        using (var checkpoint = CheckpointReader.Open(Path.Combine(run, "checkpoints", "best")))            // attention inspect
            Console.WriteLine($"{checkpoint.Format}: {checkpoint.Entries.Count()} tensors");
        Console.WriteLine($"{OperatorBenchmark.Run(repetitions: 3, calls: 1000) * 1e6:F2} us");           // attention bench op
    }

    private static void Text()
    {
        var trainer = new BytePairTrainer(new() { VocabularySize = 300 });           // attention tokenizer train
        trainer.Feed("the cat sat on the mat and the bat sat on the hat"u8.ToArray());
        trainer.Train(CancellationToken.None).Save("tokenizer.json");
        Console.WriteLine(string.Join(' ', Tokenizers.Load("tokenizer.json").Encode("the mat")));         // attention tokenize
    }

    public static void Others(string folder)
    {
        Experiment.Resume("runs/flowers/20260101-120000", new TextReporter(Console.Out), CancellationToken.None);      // attention train --resume
        using var model = TextModel.Load(folder, CPU);                               // attention generate
        foreach (var (_, text) in model.Continue(["Once upon a time"], new SamplingConfig { max_new_tokens = 20 }))
            Console.Write(text);
        Console.WriteLine(Verifier.Run("recording.json").LargestError);              // attention verify
    }

    /// <summary>docs/generate.md.</summary>
    public static void Generate()
    {
        using var model = TextModel.Load("folder", CPU);
        foreach (var (_, text) in model.Continue(["Once upon a time"], new SamplingConfig { top_p = 0.95 }))
            Console.Write(text);
    }

    /// <summary>docs/generate.md: decoding step by step, with the caller's own choice of tokens.</summary>
    public static void Decode(LanguageModel model, long[] prompt, Func<ReadOnlySpan<float>, long> Choose)
    {
        using var session = model.StartDecoding(batch: 1, capacity: 1024);
        session.Feed(prompt);                          // token numbers; (batch, T) row by row
        while (session.Length < 1024)
            session.Feed([Choose(session.Logits(0))]); // a span, valid until the next Feed
    }

    /// <summary>docs/language_data.md.</summary>
    public static void Shards()
    {
        new CorpusTokenizer(Tokenizers.Load("path/to/model"), new CorpusOptions()).WriteShards(["corpus"], "data/corpus");
        using var shards = TokenShards.Open("data/corpus");
        var source = new PackedWindows(shards, context: 1024, batch_size: 8, seed: 1);
        using var batch = source.Batch(epoch: 0, step: 0);   // tokens and targets, (8, 1024)
    }

    /// <summary>docs/language_evaluation.md.</summary>
    public static void Measure()
    {
        using var model = TextModel.Load("folder", CPU);
        var text = new Perplexity(model.Model, model.Tokenizer).Measure([File.ReadAllBytes("wiki.txt")], stride: 512);
        var (questions, examples) = BenchmarkFiles.Read("data/benchmarks", Benchmarks.Get("piqa"));
        var result = new BenchmarkRunner(model.Model, model.Tokenizer, model.Ends).Run(Benchmarks.Get("piqa"), questions, examples, new());
        Console.WriteLine($"{text} {result}");
    }

    /// <summary>docs/tokenizers.md.</summary>
    public static int Tokenize()
    {
        var tokenizer = Tokenizers.Load("path/to/model");        // a folder or a file
        int[] ids = tokenizer.Encode("Hello world");
        string text = tokenizer.Decode(ids);
        return ids.Length + text.Length;
    }
}
