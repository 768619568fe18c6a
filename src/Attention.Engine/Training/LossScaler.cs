namespace Attention.Engine.Training;

/// <summary>Where a <see cref="LossScaler"/> stands.</summary>
/// <param name="Scale">The factor of the loss.</param>
/// <param name="GoodSteps">Steps since it last changed.</param>
public sealed record LossScale(double Scale, int GoodSteps);

/// <summary>
/// Scales the loss so that small gradients do not vanish in fp16, as PyTorch's GradScaler does: the factor doubles after a
/// row of good steps; where a gradient overflows, the step is left out and the factor halved (Micikevicius et al., Mixed
/// Precision Training, 2018, arXiv:1710.03740).
/// </summary>
/// <param name="growthInterval">Good steps in a row before the factor doubles.</param>
/// <param name="initial">The first factor.</param>
public sealed class LossScaler(int growthInterval = 2000, double initial = 65536)
{
    private const double Least = 1.0 / (1 << 14);

    /// <summary>Where it stands; a checkpoint keeps it.</summary>
    public LossScale State { get; set; } = new(initial, 0);

    /// <summary>Takes note of a step's gradients.</summary>
    /// <param name="norm">The norm of the scaled gradients.</param>
    /// <returns>Whether the optimizer may step.</returns>
    /// <exception cref="UserError">Gradients overflow whatever the factor.</exception>
    public bool Update(double norm)
    {
        if (double.IsFinite(norm))
        {
            State = State.GoodSteps + 1 < growthInterval ? State with { GoodSteps = State.GoodSteps + 1 } : new(State.Scale * 2, 0);
            return true;
        }
        if (State.Scale <= Least)
            throw new UserError("gradients overflow fp16 however small the loss is made", "train with train.precision: bf16 or fp32");
        State = new(State.Scale / 2, 0);
        return false;
    }
}
