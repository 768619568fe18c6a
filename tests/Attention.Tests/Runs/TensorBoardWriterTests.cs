using System.Buffers.Binary;
using System.Text;
using Attention.Engine.Runs;
using Attention.Torch;
using static TorchSharp.torch;

namespace Attention.Tests.Runs;

/// <summary>Reads event files with a reader of its own: TFRecord framing, bitwise CRC-32C, protobuf wire format.</summary>
public class TensorBoardWriterTests
{
    [Fact]
    public void Events_have_sound_checksums_and_read_back()
    {
        using var folder = new TemporaryFolder();
        string path;
        using (var writer = new TensorBoardWriter(folder.Path))
        {
            path = writer.FilePath;
            writer.Write(new(0.5, 1, 2, new Dictionary<string, double> { ["train/loss"] = 2.25, ["lr"] = 1e-3 }));
            writer.Write(new(1, 1_000_000_000_000, 4, new Dictionary<string, double> { ["val/top1"] = 0.5 }));
        }
        Assert.Matches(@"^events\.out\.tfevents\.\d{10}\..+", Path.GetFileName(path));

        var events = Records(File.ReadAllBytes(path)).Select(Fields).ToArray();
        Assert.Equal(3, events.Length);
        Assert.Equal("brain.Event:2", Encoding.UTF8.GetString((byte[])events[0].Single(field => field.number == 3).value));
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        Assert.All(events, fields => Assert.InRange(BitConverter.UInt64BitsToDouble((ulong)fields.Single(field => field.number == 1).value), now - 600, now + 1));
        Assert.Equal([(1, "train/loss", 2.25f), (1, "lr", 1e-3f)], Scalars(events[1]));
        Assert.Equal([(1_000_000_000_000, "val/top1", 0.5f)], Scalars(events[2]));
    }

    [Fact]
    public void Pictures_and_histograms_read_back()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var png = ImageCodec.EncodePng(new Image(3, 2));
        string path;
        using (var writer = new TensorBoardWriter(folder.Path, step: 7))
        {
            path = writer.FilePath;
            writer.WriteImage("seen", png, 8);
            writer.WriteHistogram("w", Histogram.Of(tensor(new[] { -1f, 0.5f, 1, 1 }), bins: 4), 9);
        }
        var events = Records(File.ReadAllBytes(path)).Select(Fields).ToArray();
        Assert.Equal(4, events.Length);
        // A run that goes on: session log 7 with status START, of step 8.
        Assert.Equal(8UL, events[1].Single(field => field.number == 2).value);
        Assert.Equal([(1, (object)1UL)], Fields((byte[])events[1].Single(field => field.number == 7).value));

        var image = Fields(Content(events[2], "seen", 4));
        Assert.Equal([2UL, 3UL, 3UL], image.Take(3).Select(field => (ulong)field.value));
        Assert.Equal(png, (byte[])image.Single(field => field.number == 4).value);

        var histogram = Fields(Content(events[3], "w", 5)).ToDictionary(field => field.number, field => field.value);
        Assert.Equal([-1, 1, 4, 1.5, 3.25], Enumerable.Range(1, 5).Select(i => BitConverter.UInt64BitsToDouble((ulong)histogram[i])));
        Assert.Equal([-0.5, 0, 0.5, 1], Doubles((byte[])histogram[6]));
        Assert.Equal([1, 0, 0, 3], Doubles((byte[])histogram[7]));
    }

    private static byte[] Content(List<(int number, object value)> fields, string tag, int kind)
    {
        var value = Fields((byte[])Fields((byte[])fields.Single(field => field.number == 5).value).Single().value);
        Assert.Equal(tag, Encoding.UTF8.GetString((byte[])value.Single(field => field.number == 1).value));
        return (byte[])value.Single(field => field.number == kind).value;
    }

    private static IEnumerable<double> Doubles(byte[] packed) => Enumerable.Range(0, packed.Length / 8).Select(i => BitConverter.ToDouble(packed, i * 8));

    [Fact]
    public void Two_writers_of_one_folder_keep_apart()
    {
        using var folder = new TemporaryFolder();
        using (var first = new TensorBoardWriter(folder.Path))
        using (var second = new TensorBoardWriter(folder.Path))
            Assert.NotEqual(first.FilePath, second.FilePath);
        Assert.Equal(2, Directory.GetFiles(folder.Path).Length);
    }

    [Fact]
    public void The_checksum_used_here_is_the_published_one() =>
        Assert.Equal(0xE3069283u, Crc32C(Encoding.ASCII.GetBytes("123456789")));

    private static IEnumerable<(long step, string tag, float value)> Scalars(List<(int number, object value)> fields)
    {
        var step = (long)(ulong)fields.Single(field => field.number == 2).value;
        foreach (var value in Fields((byte[])fields.Single(field => field.number == 5).value))
        {
            var scalar = Fields((byte[])value.value);
            yield return (step, Encoding.UTF8.GetString((byte[])scalar.Single(field => field.number == 1).value),
                BitConverter.UInt32BitsToSingle((uint)scalar.Single(field => field.number == 2).value));
        }
    }

    private static IEnumerable<byte[]> Records(byte[] file)
    {
        for (var at = 0; at < file.Length;)
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at));
            Assert.Equal(Masked(file.AsSpan(at, 8)), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8)));
            Assert.Equal(Masked(file.AsSpan(at + 12, length)), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length)));
            yield return file[(at + 12)..(at + 12 + length)];
            at += 16 + length;
        }
    }

    private static List<(int number, object value)> Fields(byte[] message)
    {
        var (fields, at) = (new List<(int, object)>(), 0);
        while (at < message.Length)
        {
            var tag = Varint();
            object value = (tag & 7) switch
            {
                0 => Varint(),
                1 => BinaryPrimitives.ReadUInt64LittleEndian(Take(8)),
                2 => Take((int)Varint()),
                5 => BinaryPrimitives.ReadUInt32LittleEndian(Take(4)),
                _ => throw new InvalidDataException($"wire type {tag & 7}"),
            };
            fields.Add(((int)(tag >> 3), value));
        }
        return fields;

        byte[] Take(int count) => message[at..(at += count)];

        ulong Varint()
        {
            var result = 0UL;
            for (var shift = 0; ; shift += 7)
            {
                var part = message[at++];
                result |= (ulong)(part & 0x7f) << shift;
                if (part < 0x80) return result;
            }
        }
    }

    private static uint Masked(ReadOnlySpan<byte> bytes)
    {
        var crc = Crc32C(bytes);
        return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
    }

    private static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }
        return ~crc;
    }
}
