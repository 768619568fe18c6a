namespace Attention.Tests.Data;

/// <summary>Small image files of kinds that <c>ImageCodec</c> reads but does not write.</summary>
internal static class Sample
{
    /// <summary>2 x 2, 16 bits, colour and alpha.</summary>
    public static readonly byte[] Png16BitAlpha = Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACEAYAAAAiJtFnAAAAIklEQVR42jXBwQEAMAgCsQMc3HHdgr6a0MJuDmHC8El20j55QQX+sCM1DwAAAA" +
        "BJRU5ErkJggg==");

    /// <summary>A header of 2147483647 x 2147483647 pixels, and hardly any data.</summary>
    public static readonly byte[] PngHuge = Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUn////9/////CAIAAACbq5wxAAAADElEQVR4nGNgoD0AAABkAAGGZDw1AAAAAElFTkSuQmCC");

    /// <summary>2 x 1, 1 bit, grey: white, black.</summary>
    public static readonly byte[] Png1BitGrey = Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABAQAAAADcWUInAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg==");

    /// <summary>4 x 2, 4 bits, a palette of red, green, blue and (10, 20, 30), indices 0 1 2 3 and 3 2 1 0.</summary>
    public static readonly byte[] Png4BitPalette = Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAQAAAACBAMAAACNhmBQAAAADFBMVEX/AAAA/wAAAP8KFB4iiCkEAAAADklEQVR42mNgVGYwEgAAAQsAZ0eMjs" +
        "sAAAAASUVORK5CYII=");

    /// <summary>16 x 12, all (200, 60, 20), lossy.</summary>
    public static readonly byte[] WebP = Convert.FromBase64String(
        "UklGRjoAAABXRUJQVlA4IC4AAADQAQCdASoQAAwAAUAmJaACdLoB+AADsAD+7tPf/mwK5rn3+//bQ/rQ/rQ/6UAA");

    /// <summary>8 x 8, grey, each level 4 above the one before.</summary>
    public static readonly byte[] JpegGrey = Convert.FromBase64String(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDA" +
        "sKDAkKCgr/wAALCAAIAAgBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIh" +
        "MUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhI" +
        "WGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AK/w" +
        "1/4Ns/uf8W/9P+Xb/wCtX//Z");

    /// <summary>8 x 8, CMYK, 80 % cyan, 20 % magenta, 40 % yellow, 10 % black.</summary>
    public static readonly byte[] JpegCmyk = Convert.FromBase64String(
        "/9j/7gAOQWRvYmUAZAAAAAAC/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcGBggLCAkKCgoKCgYICwwLCg" +
        "wJCgoK/9sAQwECAgICAgIFAwMFCgcGBwoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK/8AAFAgACAAI" +
        "BAERAAIRAQMRAQQRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQ" +
        "cicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqS" +
        "k5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/EAB8BAAMBAQEBAQEBAQEAAA" +
        "AAAAABAgMEBQYHCAkKC//EALURAAIBAgQEAwQHBQQEAAECdwABAgMRBAUhMQYSQVEHYXETIjKBCBRCkaGxwQkjM1LwFWJy0QoWJDThJfEXGBka" +
        "JicoKSo1Njc4OTpDREVGR0hJSlNUVVZXWFlaY2RlZmdoaWpzdHV2d3h5eoKDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxM" +
        "XGx8jJytLT1NXW19jZ2uLj5OXm5+jp6vLz9PX29/j5+v/aAA4EAQACEQMRBAAAPwDxug/0gP2Ur//Z");

    /// <summary>What Pillow makes of the inks of <see cref="JpegCmyk"/>: 255 - K scaled by the share of ink that is not there.</summary>
    public static readonly byte[] JpegCmykColor = [46, 183, 137];
}
