using Attention.Torch.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>A tensor that a module trains: a field of a module that holds one is registered as a parameter.</summary>
    public class Parameter : Tensor
    {
        /// <param name="data">The tensor, which becomes the parameter: the object given is empty afterwards.</param>
        public Parameter(Tensor data, bool requires_grad = true) : base(TakeHandle(data, out var owner))
        {
            MoveToOtherDisposeScope(owner);
            this.requires_grad = requires_grad;
        }

        private static nint TakeHandle(Tensor data, out DisposeScope? owner)
        {
            owner = data.scope;
            if (!is_inference_mode_enabled() || !Aten.CallBool("is_inference", data))
                return data.DecoupleFromNativeHandle();
            // A tensor made in inference mode cannot be trained on later: the parameter is a copy that can.
            using (inference_mode(false))
            using (data)
                return Aten.Call("clone", data).DecoupleFromNativeHandle();
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            /// <inheritdoc cref="Modules.Parameter(Tensor, bool)"/>
            public static Parameter Parameter(Tensor data, bool requires_grad = true) => new(data, requires_grad);

            /// <summary>A parameter of that shape whose elements are yet to be set, and which can be trained wherever it is made.</summary>
            internal static Parameter EmptyParameter(long[] shape, Device? device, ScalarType? dtype)
            {
                using (inference_mode(false))
                    return new Parameter(empty(shape, dtype, device));
            }

            /// <summary>A buffer with one value everywhere, usable in and out of inference mode.</summary>
            internal static Tensor Buffer(long[] shape, Scalar value, Device? device, ScalarType? dtype)
            {
                using (inference_mode(false))
                    return full(shape, value, dtype ?? get_default_dtype(), device);
            }
        }

        public partial class Tensor
        {
            /// <summary>
            /// Converts a parameter or buffer and its gradient in place: this object stays the same tensor. Types are changed
            /// only where they are floating or complex.
            /// </summary>
            internal void Move(ScalarType? dtype, Device? device, bool nonBlocking)
            {
                if (IsInvalid)
                    return;
                var (type, place) = (this.dtype, this.device);
                var newType = dtype is { } wanted && (torch.is_floating_point(type) || torch.is_complex(type)) ? wanted : type;
                var newPlace = device ?? place;
                bool same = place.type == newPlace.type && (place.index == newPlace.index || newPlace.index < 0);
                if (newType == type && same)
                    return;
                using (no_grad())
                using (inference_mode(false))
                {
                    using var old = grad;
                    using var data = Aten.Call("to.device", this, newPlace, newType, nonBlocking, true);
                    grad = null;
                    SetData(data);
                    if (old is null)
                        return;
                    using var moved = Aten.Call("to.device", old, newPlace, newType, nonBlocking, true);
                    grad = moved;
                }
            }

            private void SetData(Tensor data)
            {
                if (Aten.CallBool("_has_compatible_shallow_copy_type", this, data) && !Aten.CallBool("is_inference", this))
                {
                    Aten.CallVoid("set_data", this, data);
                    return;
                }
                // To and from the meta device, say: this object takes over another tensor of libtorch.
                bool trained = requires_grad;
                (handle, data.handle) = (data.handle, handle);
                requires_grad = trained;
            }
        }
    }
}
