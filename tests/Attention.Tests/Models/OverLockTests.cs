using Attention.Engine.Verification;
using Attention.Models;
using Attention.Models.Vision;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Models;

/// <summary>OverLoCK with its large kernels merged.</summary>
public class OverLockTests
{
    [Fact]
    public void The_merged_model_computes_what_the_trained_one_does()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = (OverLock)ModelRegistry.Create<OverLockConfig>("overlock_xt", config => config with
        {
            depth = [1, 1, 1, 1],
            sub_depth = [1, 1],
            embed_dim = [8, 12, 16, 16],
            kernel_size = [17, 15, 13, 7],
            sub_num_heads = [1, 2],
            projection = 24,
            num_classes = 5,
        });
        foreach (var (name, tensor) in model.state_dict())
            if (tensor.is_floating_point())
            {
                string rule = tensor.ndim > 1 ? "weight" : name.EndsWith("running_var", StringComparison.Ordinal) ? "var" : "shift";
                using var values = FormulaFill.Parameter(name, tensor.shape, rule, 1);
                tensor.copy_(values);
            }
        model.eval();
        using var merged = model.Merged();
        merged.eval();
        Assert.True(merged.parameters().Sum(p => p.numel()) < model.parameters().Sum(p => p.numel()));
        var images = FormulaFill.Input("input", [2, 3, 64, 96]);
        var expected = model.call(images);
        var difference = (merged.call(images) - expected).abs().max().item<float>() / expected.abs().max().item<float>();
        Assert.True(difference < 1e-5, $"{difference}");
    }
}
