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
    private const int EventTime = 1, EventStep = 2, EventVersion = 3, EventSummary = 5;
    private const int SummaryValue = 1, ValueTag = 1, ValueScalar = 2;

    private readonly FileStream file;

    /// <param name="folder">The folder of the run, which names it in TensorBoard.</param>
    public TensorBoardWriter(string folder)
    {
        var name = $"events.out.tfevents.{DateTimeOffset.UtcNow.ToUnixTimeSeconds():D10}.{Environment.MachineName}.{Environment.ProcessId}";
        FilePath = Enumerable.Range(0, int.MaxValue).Select(number => Path.Combine(folder, $"{name}.{number}")).First(path => !File.Exists(path));
        file = new FileStream(FilePath, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        WriteEvent(message =>
        {
            message.WriteTag(EventVersion, WireFormat.WireType.LengthDelimited);
            message.WriteString("brain.Event:2");
        });
    }

    public string FilePath { get; }

    /// <summary>One event with all metrics of a row as scalars.</summary>
    public void Write(MetricRow row)
    {
        if (row.Metrics.Count == 0) return;
        var summary = Message(values =>
        {
            foreach (var (tag, value) in row.Metrics)
            {
                values.WriteTag(SummaryValue, WireFormat.WireType.LengthDelimited);
                values.WriteBytes(Scalar(tag, (float)value));
            }
        });
        WriteEvent(message =>
        {
            message.WriteTag(EventStep, WireFormat.WireType.Varint);
            message.WriteInt64(row.Step);
            message.WriteTag(EventSummary, WireFormat.WireType.LengthDelimited);
            message.WriteBytes(summary);
        });
    }

    public void Dispose() => file.Dispose();

    private static ByteString Scalar(string tag, float value) => Message(message =>
    {
        message.WriteTag(ValueTag, WireFormat.WireType.LengthDelimited);
        message.WriteString(tag);
        message.WriteTag(ValueScalar, WireFormat.WireType.Fixed32);
        message.WriteFloat(value);
    });

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
