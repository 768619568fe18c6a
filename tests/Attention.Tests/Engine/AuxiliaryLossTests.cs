using Attention.Engine.Configuration;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training;
using Attention.Modules;
using Xunit;

namespace Attention.Tests.Engine;

public sealed class AuxiliaryLossTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private sealed class Listener : IRunReporter
    {
        public List<MetricRow> Epochs { get; } = [];

        public void Say(string line)
        {
        }

        public void Warn(string line)
        {
        }

        public void Progress(RunProgress progress)
        {
        }

        public void EpochDone(int epoch, int epochs, MetricRow row, bool isBest) => Epochs.Add(row);

        public void Dispose()
        {
        }
    }

    [Fact]
    public void Training_adds_the_balance_of_heads_to_the_loss_and_logs_it()
    {
        MetricRow Train(double weight)
        {
            var config = ConfigLoader.Parse<ExperimentConfig>($$"""
                output: {{folder.Path}}/runs
                data: {name: shapes, path: {{folder.Path}}/shapes, image_size: 16, train_per_class: 2, val_per_class: 1}
                model:
                  name: vit_tiny_patch16_224
                  img_size: 16
                  patch_size: 8
                  embed_dim: 16
                  depth: 2
                  num_heads: 4
                  num_classes: 10
                  attention: {name: moh, shared_head: 2, routed_head: 1, balance_weight: {{weight}}}
                train: {epochs: 1, batch_size: 20}
                device: cpu
                """);
            using var listener = new Listener();
            Experiment.Train(config, listener, CancellationToken.None);
            return listener.Epochs.Single();
        }
        var (without, with) = (Train(0).Metrics, Train(100).Metrics);
        // One head of two is chosen: between an even use and the use of one alone.
        Assert.InRange(with[$"train/{HeadRouter.BalanceLoss}"], 0.9, 2);
        Assert.Equal(without[$"train/{HeadRouter.BalanceLoss}"], with[$"train/{HeadRouter.BalanceLoss}"], 1e-6);
        Assert.Equal(without["train/loss"] + 100 * with[$"train/{HeadRouter.BalanceLoss}"], with["train/loss"], 1e-3);
    }
}
