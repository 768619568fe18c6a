using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace Attention.Torch.Native;

/// <summary>What a <see cref="NativeValue"/> holds; the twin of AttTag in native/attention.h.</summary>
internal enum NativeTag
{
    None = 0,
    Tensor = 1,
    Int = 2,
    Double = 3,
    Bool = 4,
    String = 5,
    IntList = 6,
    DoubleList = 7,
    BoolList = 8,
    TensorList = 9,
    Device = 10,
    Generator = 11,
    Complex = 12,
}

/// <summary>One argument or result of an operator; the twin of AttValue in native/attention.h.</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct NativeValue
{
    [FieldOffset(0)] public NativeTag tag;
    [FieldOffset(4)] public int length;
    [FieldOffset(8)] public long i;
    [FieldOffset(8)] public double d;
    [FieldOffset(8)] public void* p;
}

/// <summary>The functions of libattention_torch; each is described where it is written, in native/*.cpp.</summary>
internal static unsafe partial class NativeMethods
{
    public const string Library = "attention_torch";

    static NativeMethods() => NativeLibraryLoader.Register();

    [LibraryImport(Library)] private static partial byte* att_last_error();
    [LibraryImport(Library)] public static partial void att_set_last_error(byte* message);

    // dispatch.cpp
    [LibraryImport(Library)] public static partial nint att_find_operator(byte* name, byte* overload);
    [LibraryImport(Library)] public static partial int att_argument_positions(nint op, byte* names, int* positions, int capacity);
    [LibraryImport(Library)] public static partial int att_operator_schemas(byte* name, byte* buffer, int capacity);
    [LibraryImport(Library)] public static partial int att_call(nint op, NativeValue* values, int* positions, int count, NativeValue* results, int capacity);

    // tensors.cpp
    [LibraryImport(Library)] public static partial void att_tensor_release(nint tensor);
    [LibraryImport(Library), SuppressGCTransition] public static partial nint att_tensor_alias(nint tensor);
    [LibraryImport(Library), SuppressGCTransition] public static partial long att_tensor_dim(nint tensor);
    [LibraryImport(Library), SuppressGCTransition] public static partial long att_tensor_numel(nint tensor);
    [LibraryImport(Library), SuppressGCTransition] public static partial int att_tensor_dtype(nint tensor);
    [LibraryImport(Library), SuppressGCTransition] public static partial long att_tensor_element_size(nint tensor);
    [LibraryImport(Library), SuppressGCTransition] public static partial int att_tensor_sizes(nint tensor, long* sizes);
    [LibraryImport(Library), SuppressGCTransition] public static partial int att_tensor_strides(nint tensor, long* strides);
    [LibraryImport(Library), SuppressGCTransition] public static partial long att_tensor_device(nint tensor);
    [LibraryImport(Library), SuppressGCTransition] public static partial int att_tensor_layout(nint tensor);
    [LibraryImport(Library), SuppressGCTransition] public static partial int att_tensor_is_contiguous(nint tensor, int memory_format);
    [LibraryImport(Library)] public static partial long att_tensor_storage_offset(nint tensor);
    [LibraryImport(Library)] public static partial void* att_tensor_data(nint tensor);
    [LibraryImport(Library)] public static partial void* att_tensor_storage_data(nint tensor, long* bytes);
    [LibraryImport(Library)] public static partial int att_tensor_is_pinned(nint tensor);
    [LibraryImport(Library)] public static partial nint att_tensor_from_memory(void* data, long* sizes, int dim, int dtype, delegate* unmanaged<nint, void> release, nint context);
    [LibraryImport(Library)] public static partial int att_tensor_set_data(nint tensor, nint data);

    // serialize.cpp
    [LibraryImport(Library)] public static partial int att_tensor_save(nint tensor, byte* path);
    [LibraryImport(Library)] public static partial nint att_tensor_load(byte* path);

    // autograd.cpp
    [LibraryImport(Library)] public static partial int att_backward(nint* tensors, int count, nint* grads, int grad_count, int retain_graph, int create_graph, nint* inputs, int input_count);
    [LibraryImport(Library)] public static partial int att_grad(nint* outputs, int count, nint* inputs, int input_count, nint* grads, int grad_count, int retain_graph, int create_graph, int allow_unused, nint* results);
    [LibraryImport(Library)] public static partial int att_tensor_requires_grad(nint tensor);
    [LibraryImport(Library)] public static partial int att_tensor_set_requires_grad(nint tensor, int value);
    [LibraryImport(Library)] public static partial int att_tensor_is_leaf(nint tensor);
    [LibraryImport(Library)] public static partial int att_tensor_retain_grad(nint tensor);
    [LibraryImport(Library)] public static partial nint att_tensor_grad(nint tensor);
    [LibraryImport(Library)] public static partial int att_tensor_set_grad(nint tensor, nint grad);
    [LibraryImport(Library)] public static partial long att_tensor_version(nint tensor);
    [LibraryImport(Library)] public static partial byte* att_tensor_grad_fn(nint tensor);
    [LibraryImport(Library), SuppressGCTransition] public static partial int att_grad_enabled();
    [LibraryImport(Library), SuppressGCTransition] public static partial void att_set_grad_enabled(int value);
    [LibraryImport(Library)] public static partial nint att_inference_mode(int enabled);
    [LibraryImport(Library)] public static partial void att_inference_mode_end(nint guard);
    [LibraryImport(Library)] public static partial int att_inference_mode_enabled();
    [LibraryImport(Library)] public static partial int att_anomaly_enabled();
    [LibraryImport(Library)] public static partial int att_anomaly_check_nan();
    [LibraryImport(Library)] public static partial void att_set_anomaly(int enabled, int check_nan);
    [LibraryImport(Library)] public static partial int att_autocast_enabled(int device);
    [LibraryImport(Library)] public static partial int att_autocast_dtype(int device);
    [LibraryImport(Library)] public static partial void att_set_autocast(int device, int enabled, int dtype);
    [LibraryImport(Library)] public static partial void att_autocast_enter();
    [LibraryImport(Library)] public static partial void att_autocast_leave();
    [LibraryImport(Library)] public static partial int att_autocast_cache_enabled();
    [LibraryImport(Library)] public static partial void att_set_autocast_cache_enabled(int value);
    [LibraryImport(Library)] public static partial int att_tensor_register_hook(nint tensor, long id, delegate* unmanaged<long, nint, nint*, int> hook, delegate* unmanaged<long, void> released);
    [LibraryImport(Library)] public static partial int att_tensor_remove_hook(nint tensor, int hook);
    [LibraryImport(Library)] public static partial nint att_node_create(byte* name, long id, delegate* unmanaged<long, nint, nint*, int, nint*, int, int> backward, delegate* unmanaged<long, void> released, nint* inputs, int count);
    [LibraryImport(Library)] public static partial int att_node_attach(nint node, nint* outputs, int count, byte* dirty, byte* non_differentiable, nint* saved, byte* saved_is_output, int saved_count, nint* results);
    [LibraryImport(Library)] public static partial int att_node_saved_count(nint node);
    [LibraryImport(Library)] public static partial int att_node_saved(nint node, int index, nint* result);
    [LibraryImport(Library)] public static partial int att_node_should_compute(nint node, int index);

    // runtime.cpp
    [LibraryImport(Library)] private static partial byte* att_torch_version();
    [LibraryImport(Library)] public static partial int att_torch_path(byte* buffer, int capacity);
    [LibraryImport(Library)] public static partial int att_torch_config(byte* buffer, int capacity);
    [LibraryImport(Library)] public static partial int att_parallel_info(byte* buffer, int capacity);
    [LibraryImport(Library)] public static partial int att_get_num_threads();
    [LibraryImport(Library)] public static partial int att_set_num_threads(int count);
    [LibraryImport(Library)] public static partial int att_get_num_interop_threads();
    [LibraryImport(Library)] public static partial int att_set_num_interop_threads(int count);
    [LibraryImport(Library)] public static partial void att_set_flush_denormal(int value);
    [LibraryImport(Library)] public static partial int att_set_flag(byte* name, int value);
    [LibraryImport(Library)] public static partial int att_get_flag(byte* name);
    [LibraryImport(Library)] public static partial int att_device_count(int type);
    [LibraryImport(Library)] public static partial int att_has_cudnn();
    [LibraryImport(Library)] public static partial int att_device_synchronize(int type, int index);
    [LibraryImport(Library)] public static partial nint att_generator_create(ulong seed);
    [LibraryImport(Library)] public static partial nint att_generator_default(int type, int index);
    [LibraryImport(Library)] public static partial void att_generator_release(nint generator);
    [LibraryImport(Library)] public static partial int att_generator_manual_seed(nint generator, ulong seed);
    [LibraryImport(Library)] public static partial ulong att_generator_current_seed(nint generator);
    [LibraryImport(Library)] public static partial ulong att_generator_seed(nint generator);
    [LibraryImport(Library)] public static partial nint att_generator_get_state(nint generator);
    [LibraryImport(Library)] public static partial int att_generator_set_state(nint generator, nint state);
    [LibraryImport(Library)] public static partial int att_manual_seed(ulong seed);

    /// <summary>The message of the last failure on this thread.</summary>
    public static string LastError => Marshal.PtrToStringUTF8((nint)att_last_error()) ?? "";

    /// <summary>The version of libtorch that the native part was compiled against.</summary>
    public static string TorchVersion => Marshal.PtrToStringUTF8((nint)att_torch_version()) ?? "";

    /// <summary>The text that <paramref name="fill"/> writes, however long it is.</summary>
    public static string ReadText(TextFunction fill)
    {
        var buffer = new byte[256];
        while (true)
        {
            int length;
            fixed (byte* p = buffer)
                length = fill(p, buffer.Length);
            if (length < 0)
                throw new TorchException(LastError);
            if (length < buffer.Length)
                return System.Text.Encoding.UTF8.GetString(buffer, 0, length);
            buffer = new byte[length + 1];
        }
    }

    public delegate int TextFunction(byte* buffer, int capacity);

    /// <summary>Throws with libtorch's message where a native function answered with a negative number.</summary>
    public static int Check(int status, string function)
    {
        if (status < 0)
            throw new TorchException($"{function}: {LastError}");
        return status;
    }

    /// <summary>Throws with libtorch's message where a native function answered with null.</summary>
    public static nint Check(nint handle, string function)
    {
        if (handle == 0)
            throw new TorchException($"{function}: {LastError}");
        return handle;
    }
}
