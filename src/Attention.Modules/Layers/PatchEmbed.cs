using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Cuts an image into patches and embeds each by one linear map, as a strided convolution.
/// (B, in_chans, H, W) to (B, H/patch * W/patch, embed_dim), row by row.
/// Dosovitskiy et al., An Image is Worth 16x16 Words, 2021; parameter names as in timm.
/// </summary>
public sealed class PatchEmbed : Block
{
    private readonly Conv2d proj;
    private readonly int patch_size;

    public PatchEmbed(int img_size, int patch_size, int in_chans, int embed_dim, bool bias = true) : base(nameof(PatchEmbed))
    {
        this.patch_size = patch_size;
        grid_size = img_size / patch_size;
        proj = nn.Conv2d(in_chans, embed_dim, kernel_size: patch_size, stride: patch_size, bias: bias);
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
        return proj.call(x).flatten(2).transpose(1, 2);
    }
}
