using System.Buffers.Binary;
using System.Numerics;
using Google.Protobuf;

namespace Attention.Engine.Runs;

/// <summary>
/// Writes an event file that TensorBoard reads: TFRecords (length, checksum, payload, checksum) of <c>tensorflow.Event</c>
/// messages, after tensorflow/core/util/event.proto and tensorflow/core/lib/io/record_writer.
/// </summary>
public sealed class TensorBoardWriter : IMetricSink
{
    // Field numbers of the messages.
    private const int EventTime = 1, EventStep = 2, EventVersion = 3, EventSummary = 5, EventSession = 7;
    private const int SessionStatus = 1, SessionStart = 1;
    private const int SummaryValue = 1, ValueTag = 1, ValueScalar = 2, ValueImage = 4, ValueHistogram = 5;
    private const int ImageHeight = 1, ImageWidth = 2, ImageColours = 3, ImageBytes = 4;
    private const int HistogramMin = 1, HistogramMax = 2, HistogramCount = 3, HistogramSum = 4, HistogramSquares = 5, HistogramLimits = 6, HistogramBuckets = 7;

    private readonly FileStream file;

    /// <param name="folder">The folder of the run, which names it in TensorBoard.</param>
    /// <param name="step">Where the run goes on: what an earlier file says of later steps no longer counts.</param>
    public TensorBoardWriter(string folder, long step = 0)
    {
        var name = $"events.out.tfevents.{DateTimeOffset.UtcNow.ToUnixTimeSeconds():D10}.{Environment.MachineName}.{Environment.ProcessId}";
        FilePath = Enumerable.Range(0, int.MaxValue).Select(number => Path.Combine(folder, $"{name}.{number}")).First(path => !File.Exists(path));
        file = new FileStream(FilePath, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        WriteEvent(message =>
        {
            message.WriteTag(EventVersion, WireFormat.WireType.LengthDelimited);
            message.WriteString("brain.Event:2");
        });
        if (step > 0)
            WriteEvent(message =>
            {
                message.WriteTag(EventStep, WireFormat.WireType.Varint);
                message.WriteInt64(step + 1);
                message.WriteTag(EventSession, WireFormat.WireType.LengthDelimited);
                message.WriteBytes(Message(session =>
                {
                    session.WriteTag(SessionStatus, WireFormat.WireType.Varint);
                    session.WriteEnum(SessionStart);
                }));
            });
    }

    public string FilePath { get; }

    /// <summary>One event with all metrics of a row as scalars.</summary>
    public void Write(MetricRow row)
    {
        if (row.Metrics.Count > 0)
            WriteSummary(row.Step, row.Metrics.Select(metric => Scalar(metric.Key, (float)metric.Value)));
    }

    /// <summary>A picture, given as a PNG file.</summary>
    public void WriteImage(string tag, byte[] png, long step) => WriteSummary(step, [Value(tag, ValueImage, Message(image =>
    {
        // The size stands at a fixed place in a PNG's header.
        WriteInt(image, ImageHeight, BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(20)));
        WriteInt(image, ImageWidth, BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)));
        WriteInt(image, ImageColours, 3);
        image.WriteTag(ImageBytes, WireFormat.WireType.LengthDelimited);
        image.WriteBytes(ByteString.CopyFrom(png));
    }))]);

    /// <summary>How the values of a tensor are spread.</summary>
    public void WriteHistogram(string tag, Histogram histogram, long step) => WriteSummary(step, [Value(tag, ValueHistogram, Message(message =>
    {
        int bins = histogram.Counts.Length;
        double width = (histogram.Maximum - histogram.Minimum) / bins;
        WriteDouble(message, HistogramMin, histogram.Minimum);
        WriteDouble(message, HistogramMax, histogram.Maximum);
        WriteDouble(message, HistogramCount, histogram.Count);
        WriteDouble(message, HistogramSum, histogram.Sum);
        WriteDouble(message, HistogramSquares, histogram.SquareSum);
        WriteDoubles(message, HistogramLimits, [.. Enumerable.Range(1, bins).Select(i => histogram.Minimum + i * width)]);
        WriteDoubles(message, HistogramBuckets, histogram.Counts);
    }))]);

    public void Dispose() => file.Dispose();

    private void WriteSummary(long step, IEnumerable<ByteString> values)
    {
        var summary = Message(message =>
        {
            foreach (var value in values)
            {
                message.WriteTag(SummaryValue, WireFormat.WireType.LengthDelimited);
                message.WriteBytes(value);
            }
        });
        WriteEvent(message =>
        {
            message.WriteTag(EventStep, WireFormat.WireType.Varint);
            message.WriteInt64(step);
            message.WriteTag(EventSummary, WireFormat.WireType.LengthDelimited);
            message.WriteBytes(summary);
        });
    }

    private static ByteString Scalar(string tag, float value) => Message(message =>
    {
        message.WriteTag(ValueTag, WireFormat.WireType.LengthDelimited);
        message.WriteString(tag);
        message.WriteTag(ValueScalar, WireFormat.WireType.Fixed32);
        message.WriteFloat(value);
    });

    private static ByteString Value(string tag, int kind, ByteString content) => Message(message =>
    {
        message.WriteTag(ValueTag, WireFormat.WireType.LengthDelimited);
        message.WriteString(tag);
        message.WriteTag(kind, WireFormat.WireType.LengthDelimited);
        message.WriteBytes(content);
    });

    private static void WriteInt(CodedOutputStream message, int field, int value)
    {
        message.WriteTag(field, WireFormat.WireType.Varint);
        message.WriteInt32(value);
    }

    private static void WriteDouble(CodedOutputStream message, int field, double value)
    {
        message.WriteTag(field, WireFormat.WireType.Fixed64);
        message.WriteDouble(value);
    }

    // Packed, as protobuf's third version has repeated numbers.
    private static void WriteDoubles(CodedOutputStream message, int field, double[] values)
    {
        message.WriteTag(field, WireFormat.WireType.LengthDelimited);
        message.WriteLength(values.Length * sizeof(double));
        foreach (double value in values)
            message.WriteDouble(value);
    }

    private void WriteEvent(Action<CodedOutputStream> content)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;
        WriteRecord(Message(message =>
        {
            message.WriteTag(EventTime, WireFormat.WireType.Fixed64);
            message.WriteDouble(now);
            content(message);
        }).Span);
    }

    private static ByteString Message(Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using (var message = new CodedOutputStream(buffer, leaveOpen: true)) write(message);
        return ByteString.CopyFrom(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    private void WriteRecord(ReadOnlySpan<byte> payload)
    {
        Span<byte> record = new byte[8 + 4 + payload.Length + 4];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record[8..], MaskedCrc(record[..8]));
        payload.CopyTo(record[12..]);
        BinaryPrimitives.WriteUInt32LittleEndian(record[(12 + payload.Length)..], MaskedCrc(payload));
        file.Write(record);
        file.Flush();
    }

    /// <summary>CRC-32C, rotated and offset as TFRecord asks, so that a checksum of checksums stays sound.</summary>
    private static uint MaskedCrc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes) crc = BitOperations.Crc32C(crc, value);
        return BitOperations.RotateRight(~crc, 15) + 0xa282ead8u;
    }
}
