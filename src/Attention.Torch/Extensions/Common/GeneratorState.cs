using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The state of the random generators that operators draw from: for checkpoints, and to repeat a computation.</summary>
public static partial class GeneratorState
{
    /// <summary>The state of every default generator, by device: "cpu", "cuda:0" and so on.</summary>
    public static IReadOnlyDictionary<string, byte[]> Save()
    {
        using var scope = NewDisposeScope();
        var states = new Dictionary<string, byte[]>();
        foreach (var (device, generator) in Generators())
            using (generator)
                states[device] = generator.get_state().bytes.ToArray();
        return states;
    }

    /// <summary>Sets the generators back to a state that <see cref="Save"/> gave. Devices without an entry keep theirs.</summary>
    /// <exception cref="UserError">The state is of a device that is not there, or is not a state.</exception>
    public static void Restore(IReadOnlyDictionary<string, byte[]> states)
    {
        using var scope = NewDisposeScope();
        var missing = new HashSet<string>(states.Keys);
        foreach (var (device, generator) in Generators())
            using (generator)
            {
                if (!states.TryGetValue(device, out var bytes))
                    continue;
                missing.Remove(device);
                try
                {
                    generator.set_state(tensor(bytes, ScalarType.Byte));
                }
                catch (System.Runtime.InteropServices.ExternalException e)
                {
                    throw new UserError($"these {bytes.Length} bytes are not the state of the {device} generator", "the checkpoint is of another version of libtorch: start without its random state", e);
                }
            }
        if (missing.Count > 0)
            throw new UserError($"there is a random state for {missing.Order().First()}, but no such generator here", "resume on as many devices as the run had, or start without its random state");
    }
}
