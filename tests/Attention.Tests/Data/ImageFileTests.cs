using System.Text.Json;
using Attention.Torch;

namespace Attention.Tests.Data;

/// <summary>Files of many kinds against what Pillow reads of them (Fixtures/make_fixtures.py).</summary>
public class ImageFileTests
{
    [Fact]
    public void Every_kind_of_file_is_read_as_Pillow_reads_it()
    {
        using var recorded = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data/Fixtures/files.json")));
        Assert.Equal(17, recorded.RootElement.GetArrayLength());
        foreach (var one in recorded.RootElement.EnumerateArray())
        {
            string name = one.GetProperty("name").GetString()!;
            var image = ImageCodec.Decode(one.GetProperty("file").GetBytesFromBase64());
            Assert.Equal((one.GetProperty("width").GetInt32(), one.GetProperty("height").GetInt32()), (image.Width, image.Height));
            int worst = one.GetProperty("pixels").GetBytesFromBase64().Zip(image.Pixels.ToArray(), (a, b) => Math.Abs(a - b)).Max();
            Assert.True(worst <= 1, $"{name} differs by {worst}");
        }
    }
}
