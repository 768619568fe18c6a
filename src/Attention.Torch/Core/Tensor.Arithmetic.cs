using Attention.Torch.Native;

namespace TorchSharp;

#pragma warning disable CS0660, CS0661 // == is elementwise; Equals is in Tensor.cs

public static partial class torch
{
    // C#'s operators, with broadcasting. Comparisons give tensors of truth values.
    public partial class Tensor
    {
        public static Tensor operator +(Tensor left, Tensor right) => Aten.Call("add.Tensor", left, right);
        public static Tensor operator +(Tensor left, Scalar right) => Aten.Call("add.Scalar", left, right);
        public static Tensor operator +(Tensor left, int right) => Aten.Call("add.Scalar", left, right);
        public static Tensor operator +(Tensor left, long right) => Aten.Call("add.Scalar", left, right);
        public static Tensor operator +(Tensor left, float right) => Aten.Call("add.Scalar", left, right);
        public static Tensor operator +(Tensor left, double right) => Aten.Call("add.Scalar", left, right);
        public static Tensor operator +(Scalar left, Tensor right) => Aten.Call("add.Scalar", right, left);
        public static Tensor operator +(int left, Tensor right) => Aten.Call("add.Scalar", right, left);
        public static Tensor operator +(long left, Tensor right) => Aten.Call("add.Scalar", right, left);
        public static Tensor operator +(float left, Tensor right) => Aten.Call("add.Scalar", right, left);
        public static Tensor operator +(double left, Tensor right) => Aten.Call("add.Scalar", right, left);

        public static Tensor operator -(Tensor left, Tensor right) => Aten.Call("sub.Tensor", left, right);
        public static Tensor operator -(Tensor left, Scalar right) => Aten.Call("sub.Scalar", left, right);
        public static Tensor operator -(Tensor left, int right) => Aten.Call("sub.Scalar", left, right);
        public static Tensor operator -(Tensor left, long right) => Aten.Call("sub.Scalar", left, right);
        public static Tensor operator -(Tensor left, float right) => Aten.Call("sub.Scalar", left, right);
        public static Tensor operator -(Tensor left, double right) => Aten.Call("sub.Scalar", left, right);
        public static Tensor operator -(Scalar left, Tensor right) => Aten.Call("rsub.Scalar", right, left);
        public static Tensor operator -(int left, Tensor right) => Aten.Call("rsub.Scalar", right, left);
        public static Tensor operator -(long left, Tensor right) => Aten.Call("rsub.Scalar", right, left);
        public static Tensor operator -(float left, Tensor right) => Aten.Call("rsub.Scalar", right, left);
        public static Tensor operator -(double left, Tensor right) => Aten.Call("rsub.Scalar", right, left);

        public static Tensor operator *(Tensor left, Tensor right) => Aten.Call("mul.Tensor", left, right);
        public static Tensor operator *(Tensor left, Scalar right) => Aten.Call("mul.Scalar", left, right);
        public static Tensor operator *(Tensor left, int right) => Aten.Call("mul.Scalar", left, right);
        public static Tensor operator *(Tensor left, long right) => Aten.Call("mul.Scalar", left, right);
        public static Tensor operator *(Tensor left, float right) => Aten.Call("mul.Scalar", left, right);
        public static Tensor operator *(Tensor left, double right) => Aten.Call("mul.Scalar", left, right);
        public static Tensor operator *(Scalar left, Tensor right) => Aten.Call("mul.Scalar", right, left);
        public static Tensor operator *(int left, Tensor right) => Aten.Call("mul.Scalar", right, left);
        public static Tensor operator *(long left, Tensor right) => Aten.Call("mul.Scalar", right, left);
        public static Tensor operator *(float left, Tensor right) => Aten.Call("mul.Scalar", right, left);
        public static Tensor operator *(double left, Tensor right) => Aten.Call("mul.Scalar", right, left);

        public static Tensor operator /(Tensor left, Tensor right) => Aten.Call("div.Tensor", left, right);
        public static Tensor operator /(Tensor left, Scalar right) => Aten.Call("div.Scalar", left, right);
        public static Tensor operator /(Tensor left, int right) => Aten.Call("div.Scalar", left, right);
        public static Tensor operator /(Tensor left, long right) => Aten.Call("div.Scalar", left, right);
        public static Tensor operator /(Tensor left, float right) => Aten.Call("div.Scalar", left, right);
        public static Tensor operator /(Tensor left, double right) => Aten.Call("div.Scalar", left, right);
        public static Tensor operator /(Scalar left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(int left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(long left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(float left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(double left, Tensor right) => Quotient(left, right);

        public static Tensor operator %(Tensor left, Tensor right) => Aten.Call("remainder.Tensor", left, right);
        public static Tensor operator %(Tensor left, Scalar right) => Aten.Call("remainder.Scalar", left, right);
        public static Tensor operator %(Tensor left, int right) => Aten.Call("remainder.Scalar", left, right);
        public static Tensor operator %(Tensor left, long right) => Aten.Call("remainder.Scalar", left, right);
        public static Tensor operator %(Tensor left, float right) => Aten.Call("remainder.Scalar", left, right);
        public static Tensor operator %(Tensor left, double right) => Aten.Call("remainder.Scalar", left, right);

        public static Tensor operator ==(Tensor left, Tensor right) => Aten.Call("eq.Tensor", left, right);
        public static Tensor operator ==(Tensor left, Scalar right) => Aten.Call("eq.Scalar", left, right);
        public static Tensor operator ==(Scalar left, Tensor right) => Aten.Call("eq.Scalar", right, left);

        public static Tensor operator !=(Tensor left, Tensor right) => Aten.Call("ne.Tensor", left, right);
        public static Tensor operator !=(Tensor left, Scalar right) => Aten.Call("ne.Scalar", left, right);
        public static Tensor operator !=(Scalar left, Tensor right) => Aten.Call("ne.Scalar", right, left);

        public static Tensor operator <(Tensor left, Tensor right) => Aten.Call("lt.Tensor", left, right);
        public static Tensor operator <(Tensor left, Scalar right) => Aten.Call("lt.Scalar", left, right);
        public static Tensor operator <(Scalar left, Tensor right) => Aten.Call("gt.Scalar", right, left);

        public static Tensor operator <=(Tensor left, Tensor right) => Aten.Call("le.Tensor", left, right);
        public static Tensor operator <=(Tensor left, Scalar right) => Aten.Call("le.Scalar", left, right);
        public static Tensor operator <=(Scalar left, Tensor right) => Aten.Call("ge.Scalar", right, left);

        public static Tensor operator >(Tensor left, Tensor right) => Aten.Call("gt.Tensor", left, right);
        public static Tensor operator >(Tensor left, Scalar right) => Aten.Call("gt.Scalar", left, right);
        public static Tensor operator >(Scalar left, Tensor right) => Aten.Call("lt.Scalar", right, left);

        public static Tensor operator >=(Tensor left, Tensor right) => Aten.Call("ge.Tensor", left, right);
        public static Tensor operator >=(Tensor left, Scalar right) => Aten.Call("ge.Scalar", left, right);
        public static Tensor operator >=(Scalar left, Tensor right) => Aten.Call("le.Scalar", right, left);

        public static Tensor operator -(Tensor tensor) => Aten.Call("neg", tensor);
        public static Tensor operator ~(Tensor left) => Aten.Call("bitwise_not", left);
        public static Tensor operator &(Tensor left, Tensor right) => Aten.Call("bitwise_and.Tensor", left, right);
        public static Tensor operator |(Tensor left, Tensor right) => Aten.Call("bitwise_or.Tensor", left, right);
        public static Tensor operator ^(Tensor left, Tensor right) => Aten.Call("bitwise_xor.Tensor", left, right);

        private static Tensor Quotient(Scalar left, Tensor right)
        {
            using var reciprocal = Aten.Call("reciprocal", right);
            return Aten.Call("mul.Scalar", reciprocal, left);
        }

        public static explicit operator bool(Tensor value) => value.ToBoolean();
        public static explicit operator byte(Tensor value) => value.ToByte();
        public static explicit operator sbyte(Tensor value) => value.ToSByte();
        public static explicit operator short(Tensor value) => value.ToInt16();
        public static explicit operator int(Tensor value) => value.ToInt32();
        public static explicit operator long(Tensor value) => value.ToInt64();
        public static explicit operator float(Tensor value) => value.ToSingle();
        public static explicit operator double(Tensor value) => value.ToDouble();

        public static implicit operator Tensor(bool value) => tensor(value);
        public static implicit operator Tensor(byte value) => tensor(value);
        public static implicit operator Tensor(sbyte value) => tensor(value);
        public static implicit operator Tensor(short value) => tensor(value);
        public static implicit operator Tensor(int value) => tensor(value);
        public static implicit operator Tensor(long value) => tensor(value);
        public static implicit operator Tensor(float value) => tensor(value);
        public static implicit operator Tensor(double value) => tensor(value);
        public static implicit operator Tensor((float, float) value) => tensor(value);
        public static implicit operator Tensor(System.Numerics.Complex value) => tensor(value);
        public static implicit operator Tensor(bool[] value) => tensor(value);
        public static implicit operator Tensor(byte[] value) => tensor(value);
        public static implicit operator Tensor(sbyte[] value) => tensor(value);
        public static implicit operator Tensor(short[] value) => tensor(value);
        public static implicit operator Tensor(int[] value) => tensor(value);
        public static implicit operator Tensor(long[] value) => tensor(value);
        public static implicit operator Tensor(float[] value) => tensor(value);
        public static implicit operator Tensor(double[] value) => tensor(value);
        public static implicit operator Tensor((float, float)[] value) => tensor(value);
        public static implicit operator Tensor(System.Numerics.Complex[] value) => tensor(value);

        /// <summary>Only there to fail, as in the official package, where a number would become a tensor unseen.</summary>
        public static implicit operator Tensor(Scalar scalar) =>
            throw new InvalidOperationException("a Scalar does not become a tensor by itself: call torch.tensor or torch.full");
    }
}
