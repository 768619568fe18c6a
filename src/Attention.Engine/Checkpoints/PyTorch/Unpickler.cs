using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Attention.Engine.Checkpoints.PyTorch;

/// <summary>What a pickle may build beyond plain values. Nothing of Python is ever looked up or run.</summary>
internal interface IPickleRules
{
    /// <summary>Whether a pickle may mention the name at all.</summary>
    bool Allows(PickleGlobal name);

    /// <summary>The value of a call of an allowed name.</summary>
    /// <exception cref="PickleException">The arguments are wrong.</exception>
    object? Call(PickleGlobal name, object?[] arguments);

    /// <summary>The value of a persistent id: PyTorch's storages.</summary>
    /// <exception cref="PickleException">It is none.</exception>
    object? Persistent(object? id);
}

/// <summary>A pickle is malformed, or asks for what it may not have.</summary>
/// <param name="message">What is wrong, to follow the file's name.</param>
/// <param name="refused">Whether the pickle is whole but would need code of Python to be run.</param>
internal sealed class PickleException(string message, bool refused = false) : Exception(message)
{
    public bool Refused { get; } = refused;
}

/// <summary>
/// Reads Python's pickles of protocols 2 to 5 as data: numbers, strings, bytes, lists, tuples, dictionaries, and the names and
/// calls that <see cref="IPickleRules"/> allows. Objects of <see cref="InertNames"/> are passed over, everything else is refused. It is a loop over instructions with a stack of its own, so that nesting costs
/// no stack of the program's; its limits bound time and memory for any input.
/// Format: Python's Lib/pickletools.py.
/// </summary>
internal sealed class Unpickler(Stream input, IPickleRules rules)
{
    /// <summary>The longest pickle: one names a checkpoint's tensors, their bytes lie elsewhere.</summary>
    public const int MaxLength = 64 << 20;
    private const int MaxInstructions = 10_000_000;
    private const int MaxDepth = 1000;
    private const int MaxIntegerBytes = 64;

    private readonly List<object?> stack = [];
    private readonly Stack<int> marks = [];
    private readonly Dictionary<long, object?> memo = [];
    private long consumed;

    /// <summary>The pickle's value; the stream stands behind its end.</summary>
    public object? Read()
    {
        for (int i = 0; i < MaxInstructions; i++)
        {
            byte instruction = Byte();
            if (instruction == '.')
                return marks.Count > 0 ? throw new PickleException("its pickle ends in the middle of a collection")
                    : stack.Count == 1 ? Pop() : throw new PickleException($"its pickle leaves {stack.Count} values instead of one");
            Run(instruction);
        }
        throw new PickleException($"its pickle has more than {MaxInstructions} instructions");
    }

    private void Run(byte instruction)
    {
        switch (instruction)
        {
            // Structure.
            case 0x80: Protocol(Byte()); break;
            case 0x95: Bytes(8); break;
            case (byte)'(': PushMark(); break;
            case (byte)'0': Pop(); break;
            case (byte)'1': PopToMark(); break;
            case (byte)'2': Push(Peek()); break;

            // Values.
            case (byte)'N': Push(null); break;
            case 0x88: Push(true); break;
            case 0x89: Push(false); break;
            case (byte)'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Bytes(4))); break;
            case (byte)'K': Push((long)Byte()); break;
            case (byte)'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2))); break;
            case 0x8a: Push(Integer(Byte())); break;
            case 0x8b: Push(Integer(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;
            case (byte)'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Bytes(8))); break;
            case (byte)'X': Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;
            case 0x8c: Push(Text(Byte())); break;
            case 0x8d: Push(Text(BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8)))); break;
            case (byte)'T': Push(Text(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;
            case (byte)'U': Push(Text(Byte())); break;
            case (byte)'B': Push(Bytes(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;
            case (byte)'C': Push(Bytes(Byte())); break;
            case 0x8e: Push(Bytes(BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8)))); break;

            // Collections.
            case (byte)')': Push(Array.Empty<object?>()); break;
            case (byte)'t': Push(PopToMark()); break;
            case 0x85: Push(Tuple(1)); break;
            case 0x86: Push(Tuple(2)); break;
            case 0x87: Push(Tuple(3)); break;
            case (byte)']': Push(new List<object?>()); break;
            case (byte)'l': Push(PopToMark().ToList()); break;
            case (byte)'a': Append([Pop()]); break;
            case (byte)'e': Append(PopToMark()); break;
            case (byte)'}': Push(new PickleDictionary()); break;
            case (byte)'d': BuildDictionary(); break;
            case (byte)'s': SetItems(Tuple(2)); break;
            case (byte)'u': SetItems(PopToMark()); break;

            // Values met before.
            case (byte)'q': memo[Byte()] = Peek(); break;
            case (byte)'r': memo[BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4))] = Peek(); break;
            case 0x94: memo[memo.Count] = Peek(); break;
            case (byte)'h': Push(Recall(Byte())); break;
            case (byte)'j': Push(Recall(BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4)))); break;

            // Names and calls.
            case (byte)'c': Push(Global(Line(), Line())); break;
            case 0x93: StackGlobal(); break;
            case (byte)'R': Reduce(); break;
            case (byte)'b': Build(); break;
            case (byte)'Q': Push(rules.Persistent(Pop())); break;
            case (byte)'i': throw Refused($"an object of {Line()}.{Line()}");
            case (byte)'o': throw Refused("an object (OBJ)");
            case 0x81 or 0x92: Push(NewObject(instruction)); break;
            case 0x82 or 0x83 or 0x84: throw Refused("a registered extension (EXT)");
            case 0x8f: Push(new PickledObject("set")); break;
            case 0x90: AddToSet(PopToMark()); break;
            case 0x91: PopToMark(); Push(new PickledObject("frozenset")); break;
            case 0x96: Push(Bytes(BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8)))); break;
            case 0x97 or 0x98: throw Refused("a buffer outside the pickle");
            case (byte)'P' or (byte)'p' or (byte)'g' or (byte)'I' or (byte)'L' or (byte)'F' or (byte)'S' or (byte)'V':
                throw Refused($"protocol 0 (instruction '{(char)instruction}')");
            default: throw new PickleException($"its pickle has an unknown instruction 0x{instruction:x2} at byte {consumed - 1}");
        }
    }

    private static PickleException Refused(string what) => new(what, refused: true);

    // --- bytes -------------------------------------------------------------------------------------

    private byte Byte()
    {
        int value = input.ReadByte();
        if (value < 0)
            throw Cut();
        Count(1);
        return (byte)value;
    }

    private byte[] Bytes(ulong count)
    {
        Count(count);
        var bytes = new byte[count];
        if (input.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
            throw Cut();
        return bytes;
    }

    private void Count(ulong bytes)
    {
        if (bytes > (ulong)(MaxLength - consumed))
            throw new PickleException($"its pickle is longer than {MaxLength} bytes");
        if (input.CanSeek && bytes > 1 && bytes > (ulong)(input.Length - input.Position))
            throw Cut();
        consumed += (long)bytes;
    }

    private static PickleException Cut() => new("its pickle ends before its last instruction: the file is cut");

    private string Text(ulong count)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(Bytes(count));
        }
        catch (DecoderFallbackException)
        {
            throw new PickleException("its pickle has text that is no UTF-8");
        }
    }

    private string Line()
    {
        var line = new StringBuilder();
        for (byte next = Byte(); next != '\n'; next = Byte())
        {
            if (line.Length == 256)
                throw new PickleException("its pickle has a name of more than 256 bytes");
            line.Append((char)next);
        }
        return line.ToString();
    }

    private object Integer(uint bytes)
    {
        if (bytes > MaxIntegerBytes)
            throw new PickleException($"its pickle has a number of {bytes} bytes");
        var value = new BigInteger(Bytes(bytes));
        return value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value;
    }

    private static void Protocol(byte version)
    {
        if (version > 5)
            throw new PickleException($"its pickle is of protocol {version}, which is not known");
    }

    // --- stack -------------------------------------------------------------------------------------

    private int Floor => marks.Count > 0 ? marks.Peek() : 0;

    private void Push(object? value) => stack.Add(value);

    private object? Peek() => stack.Count > Floor ? stack[^1] : throw new PickleException("its pickle takes a value that is not there");

    private object? Pop()
    {
        var value = Peek();
        stack.RemoveAt(stack.Count - 1);
        return value;
    }

    private void PushMark()
    {
        if (marks.Count == MaxDepth)
            throw new PickleException($"its pickle is nested more than {MaxDepth} deep");
        marks.Push(stack.Count);
    }

    private object?[] PopToMark()
    {
        if (!marks.TryPop(out int start))
            throw new PickleException("its pickle ends a collection that was never begun");
        var values = stack.GetRange(start, stack.Count - start).ToArray();
        stack.RemoveRange(start, values.Length);
        return values;
    }

    private object?[] Tuple(int count)
    {
        var values = new object?[count];
        for (int i = count - 1; i >= 0; i--)
            values[i] = Pop();
        return values;
    }

    private object? Recall(long index) =>
        memo.TryGetValue(index, out var value) ? value : throw new PickleException($"its pickle recalls value {index}, which it never kept");

    // --- collections -------------------------------------------------------------------------------

    private void Append(object?[] values)
    {
        if (Peek() is List<object?> list)
            list.AddRange(values);
        else if (Peek() is not PickledObject)
            throw new PickleException("its pickle appends to what is no list");
    }

    private void AddToSet(object?[] values)
    {
        if (Peek() is not PickledObject)
            throw new PickleException($"its pickle adds {values.Length} values to what is no set");
    }

    private void BuildDictionary()
    {
        var pairs = PopToMark();
        Push(new PickleDictionary());
        SetItems(pairs);
    }

    private void SetItems(object?[] pairs)
    {
        if (pairs.Length % 2 != 0)
            throw new PickleException("its pickle has a key without a value");
        if (Peek() is PickledObject)
            return;
        if (Peek() is not PickleDictionary dictionary)
            throw new PickleException("its pickle sets a key of what is no dictionary");
        for (int i = 0; i < pairs.Length; i += 2)
            dictionary.Set(pairs[i] is string or long or double or bool or BigInteger or byte[] or object[] or PickleGlobal or PickledObject ? pairs[i]!
                : throw new PickleException("its pickle has a key that cannot be one"), pairs[i + 1]);
    }

    // --- names and calls ---------------------------------------------------------------------------

    private PickleGlobal Global(string module, string name)
    {
        var global = new PickleGlobal(module, name);
        return rules.Allows(global) ? global : throw Refused(global.ToString());
    }

    private void StackGlobal()
    {
        if (Pop() is not string name || Pop() is not string module)
            throw new PickleException("its pickle has a name that is no text");
        Push(Global(module, name));
    }

    private void Reduce()
    {
        if (Pop() is not object?[] arguments)
            throw new PickleException("its pickle calls with what are no arguments");
        Push(Pop() switch
        {
            PickleGlobal { IsInert: true } name => new PickledObject(name.ToString()),
            PickleGlobal name => rules.Call(name, arguments),
            var callee => throw Refused($"a call of {Describe(callee)}"),
        });
    }

    // Beside the objects that are passed over, the one state is the _metadata of a state dict, versions of modules, which nothing
    // here needs.
    private void Build()
    {
        var state = Pop();
        var target = Peek();
        if (target is not PickledObject && (target is not PickleDictionary || state is not PickleDictionary))
            throw Refused($"the state of {Describe(target)}");
    }

    // class.__new__(class, ...): by NEWOBJ with a tuple, by NEWOBJ_EX with a dictionary after it.
    private PickledObject NewObject(byte instruction)
    {
        if (instruction == 0x92)
            Pop();
        Pop();
        var type = Pop();
        return type is PickleGlobal { IsInert: true } ? new PickledObject(type.ToString()!) : throw Refused($"an object of {Describe(type)}");
    }

    private static string Describe(object? value) => value switch
    {
        PickleGlobal name => name.ToString(),
        PickledObject => $"an object of {value}",
        PickledTensor => "a tensor",
        PickleDictionary => "a dictionary",
        null => "None",
        _ => "a plain value",
    };
}
