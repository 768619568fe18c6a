using Attention.Engine.Configuration;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training.Losses;

/// <summary>
/// What a student learns from a teacher: its most likely class (Touvron et al., DeiT, 2021, arXiv:2012.12877) or its
/// probabilities at a temperature (Hinton et al., Distilling the Knowledge in a Neural Network, 2015, arXiv:1503.02531).
/// </summary>
public sealed class Distillation : IDisposable
{
    private readonly nn.Module<Tensor, Tensor> teacher;
    private readonly DistillationConfig config;

    /// <param name="teacher">Images (B, C, H, W) to logits (B, classes), with its weights, on the student's device. It is owned.</param>
    /// <param name="config">What is learnt from it, and how much it counts.</param>
    public Distillation(nn.Module<Tensor, Tensor> teacher, DistillationConfig config)
    {
        (this.teacher, this.config) = (teacher, config);
        teacher.eval();
        foreach (var parameter in teacher.parameters())
            parameter.requires_grad_(false);
    }

    /// <summary>The loss with the teacher's part, a scalar.</summary>
    /// <param name="loss">The student's loss on the targets.</param>
    /// <param name="logits">The student's logits (B, classes).</param>
    /// <param name="images">What the student saw.</param>
    public Tensor Mix(Tensor loss, Tensor logits, Tensor images)
    {
        using var scope = NewDisposeScope();
        var distance = Distance(logits.to(ScalarType.Float32), Answers(images), config.kind, config.temperature);
        return scope.MoveToOuter(loss * (1 - config.weight) + distance * config.weight);
    }

    /// <summary>How far a student's logits are from a teacher's, both (B, classes): a mean over the batch.</summary>
    public static Tensor Distance(Tensor student, Tensor teacher, DistillationKind kind, double temperature)
    {
        using var scope = NewDisposeScope();
        if (kind == DistillationKind.Hard)
            return scope.MoveToOuter(nn.functional.cross_entropy(student, teacher.argmax(1)));
        var wanted = nn.functional.log_softmax(teacher / temperature, 1);
        var given = nn.functional.log_softmax(student / temperature, 1);
        // Gradients shrink with the square of the temperature: this makes up for it.
        return scope.MoveToOuter((wanted.exp() * (wanted - given)).sum() * (temperature * temperature / student.shape[0]));
    }

    private Tensor Answers(Tensor images)
    {
        using var mode = no_grad();
        return teacher.call(images).to(ScalarType.Float32);
    }

    public void Dispose()
    {
        teacher.Dispose();
        GC.SuppressFinalize(this);
    }
}
