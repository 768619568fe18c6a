namespace Attention.Torch;

/// <summary>What will be read of an image, so that a decoder can leave out the rest.</summary>
/// <param name="X">Left border of the part that is read.</param>
/// <param name="Y">Its upper border.</param>
/// <param name="Width">Its width.</param>
/// <param name="Height">Its height.</param>
/// <param name="MinSide">
/// 0 asks for the full size. A larger value lets a JPEG be decoded at 1/2, 1/4 or 1/8 of its size as long as the image's shorter
/// side keeps at least that many pixels.
/// </param>
public readonly record struct ImageNeed(int X, int Y, int Width, int Height, int MinSide = 0)
{
    /// <summary>All of an image at its full size.</summary>
    public static ImageNeed All(int width, int height) => new(0, 0, width, height);
}

/// <summary>
/// What is needed of an image of a given size. It is asked with the full size, and where that leads to a smaller one, again with
/// that, for the part of it.
/// </summary>
public delegate ImageNeed NeedOf(int width, int height);
