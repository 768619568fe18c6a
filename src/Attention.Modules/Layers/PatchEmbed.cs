using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Cuts an image into patches and embeds each by one linear map, as a strided convolution.
/// (B, in_chans, H, W) to (B, H/patch * W/patch, embed_dim), row by row, or to (B, H/patch, W/patch, embed_dim).
/// Dosovitskiy et al., An Image is Worth 16x16 Words, 2021; parameter names as in timm.
/// </summary>
public sealed class PatchEmbed : Block
{
    private readonly Conv2d proj;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly int patch_size;
    private readonly bool flatten;

    /// <param name="img_size">Side of the images that the model is made for.</param>
    /// <param name="patch_size">Side of a patch.</param>
    /// <param name="in_chans">Channels of the images.</param>
    /// <param name="embed_dim">Channels of a patch's embedding.</param>
    /// <param name="bias">Whether the map has a bias.</param>
    /// <param name="flatten">A sequence of patches rather than a map.</param>
    /// <param name="norm_eps">Epsilon of a norm after the map; null for none.</param>
    /// <param name="norm_layer">That norm: layernorm or rmsnorm.</param>
    public PatchEmbed(int img_size, int patch_size, int in_chans, int embed_dim, bool bias = true, bool flatten = true, double? norm_eps = null, string norm_layer = "layernorm")
        : base(nameof(PatchEmbed))
    {
        this.patch_size = patch_size;
        this.flatten = flatten;
        grid_size = img_size / patch_size;
        proj = nn.Conv2d(in_chans, embed_dim, kernel_size: patch_size, stride: patch_size, bias: bias);
        norm = norm_eps is { } eps ? Norms.Create(norm_layer, embed_dim, eps) : nn.Identity();
        RegisterComponents();
    }

    /// <summary>Patches along one side of the image that the model was made for.</summary>
    public int grid_size { get; }
    public int num_patches => grid_size * grid_size;

    protected override Tensor Forward(Tensor x)
    {
        var shape = x.shape;
        if (shape.Length != 4 || shape[2] % patch_size != 0 || shape[3] % patch_size != 0)
            throw new ArgumentException(
                $"PatchEmbed: an input of shape ({string.Join(", ", shape)}) does not divide into patches of {patch_size}x{patch_size}; expected (B, C, H, W)");
        x = proj.call(x);
        return norm.call(flatten ? x.flatten(2).transpose(1, 2) : x.permute(0, 2, 3, 1));
    }
}
