using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>What the parts of detectors are made of.</summary>
internal static class DenseLayers
{
    private const int NormGroups = 32;

    /// <summary>
    /// A convolution that keeps the map's size (0), a norm (1), a ReLU: torchvision's Conv2dNormActivation, with its names. A bias stands in
    /// where there is no norm.
    /// </summary>
    /// <param name="inputs">Channels of the input.</param>
    /// <param name="outputs">Channels of the output.</param>
    /// <param name="kernel_size">Side of the kernel.</param>
    /// <param name="norm">"", batchnorm or groupnorm (of 32 groups).</param>
    /// <param name="relu">Whether it ends with a ReLU.</param>
    /// <param name="initialise">The weights' first values.</param>
    public static Sequential Convolution(long inputs, long outputs, int kernel_size, string norm, bool relu, Action<Tensor> initialise)
    {
        var conv = nn.Conv2d(inputs, outputs, kernel_size: kernel_size, padding: kernel_size / 2, bias: norm == "");
        Start(conv, initialise);
        var parts = new List<nn.Module<Tensor, Tensor>> { conv };
        if (norm != "")
            parts.Add(Norm(norm, outputs));
        if (relu)
            parts.Add(nn.ReLU());
        return nn.Sequential(parts);
    }

    /// <exception cref="UserError">There is no such norm.</exception>
    private static nn.Module<Tensor, Tensor> Norm(string name, long channels) => name switch
    {
        "batchnorm" => nn.BatchNorm2d(channels),
        "groupnorm" => nn.GroupNorm(NormGroups, channels),
        _ => throw new UserError($"norm '{name}' is not known", "choose \"\", batchnorm or groupnorm"),
    };

    /// <summary>First values of a convolution; its bias is 0.</summary>
    public static Conv2d Start(Conv2d conv, Action<Tensor> initialise)
    {
        using var _ = no_grad();
        initialise(conv.weight);
        if (conv.bias is { } bias)
            nn.init.zeros_(bias);
        return conv;
    }

    /// <summary>Small random numbers, as heads start with.</summary>
    public static void Small(Tensor weight) => nn.init.normal_(weight, std: 0.01);

    /// <summary>The uniform He initialisation without the factor of ReLU, as in the pyramid.</summary>
    public static void Uniform(Tensor weight) => nn.init.kaiming_uniform_(weight, a: 1);

    /// <summary>He initialisation by the outputs.</summary>
    public static void Normal(Tensor weight) =>
        nn.init.kaiming_normal_(weight, mode: nn.init.FanInOut.FanOut, nonlinearity: nn.init.NonlinearityType.ReLU);

    /// <summary>What a head says of the anchors of a map: (B, A * C, H, W) to (B, H * W * A, C), in the order of <see cref="Anchors"/>.</summary>
    public static Tensor PerAnchor(Tensor map, long numbers)
    {
        var (batch, height, width) = (map.shape[0], map.shape[2], map.shape[3]);
        return map.reshape(batch, -1, numbers, height, width).permute(0, 3, 4, 1, 2).reshape(batch, -1, numbers);
    }

    /// <summary>H and W of a map or image (..., H, W).</summary>
    public static (long Height, long Width) Size(Tensor map) => (map.shape[^2], map.shape[^1]);

    /// <summary>Boxes (N, 4) in an image of another size; each side is scaled by its own ratio, rounded to float32.</summary>
    public static Tensor Resize(Tensor boxes, ImageSize from, ImageSize to)
    {
        if (from == to)
            return boxes.alias();
        using var scope = NewDisposeScope();
        var (x, y) = ((float)to.width / from.width, (float)to.height / from.height);
        return scope.MoveToOuter(boxes * tensor(new[] { x, y, x, y }, device: boxes.device));
    }
}
