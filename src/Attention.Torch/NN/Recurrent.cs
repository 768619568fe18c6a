using Attention.Torch.Native;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.utils.rnn;

namespace TorchSharp.Modules
{
    /// <summary>The weights of a recurrent network, by layer and direction, and the calls that all kinds share.</summary>
    internal sealed class RecurrentStack
    {
        private readonly nn.Module owner;
        private readonly int mode;
        private readonly long inputSize;
        private readonly long hidden;
        private readonly long layers;
        private readonly bool bias;
        private readonly bool batchFirst;
        private readonly double dropout;
        private readonly bool bidirectional;
        private readonly Parameter[] weights;

        /// <param name="mode">cuDNN's number of the kind of network.</param>
        /// <param name="gates">Rows of hidden size in each weight.</param>
        internal RecurrentStack(nn.Module owner, int mode, int gates, long inputSize, long hidden, long layers, bool bias, bool batchFirst, double dropout, bool bidirectional, Device? device, ScalarType? dtype)
        {
            (this.owner, this.mode, this.inputSize, this.hidden, this.layers) = (owner, mode, inputSize, hidden, layers);
            (this.bias, this.batchFirst, this.dropout, this.bidirectional) = (bias, batchFirst, dropout, bidirectional);
            double bound = hidden > 0 ? 1 / Math.Sqrt(hidden) : 0;
            var all = new List<Parameter>();
            for (int layer = 0; layer < layers; layer++)
                foreach (var suffix in bidirectional ? new[] { "", "_reverse" } : [""])
                {
                    long width = layer == 0 ? inputSize : hidden * Directions;
                    Add($"weight_ih_l{layer}{suffix}", [gates * hidden, width]);
                    Add($"weight_hh_l{layer}{suffix}", [gates * hidden, hidden]);
                    if (!bias)
                        continue;
                    Add($"bias_ih_l{layer}{suffix}", [gates * hidden]);
                    Add($"bias_hh_l{layer}{suffix}", [gates * hidden]);
                }
            weights = [.. all];

            void Add(string name, long[] shape)
            {
                var parameter = nn.EmptyParameter(shape, device, dtype);
                nn.init.uniform_(parameter, -bound, bound);
                owner.register_parameter(name, parameter);
                all.Add(parameter);
            }
        }

        private int Directions => bidirectional ? 2 : 1;

        /// <summary>Zeros (layers directions, N, hidden) to start from.</summary>
        private Tensor Zeros(long batch, Tensor like) => zeros([layers * Directions, batch, hidden], like.dtype, like.device);

        /// <summary>Output, and the states at the end, for an input of two (one sequence) or three dimensions.</summary>
        internal Tensor[] Run(string name, Tensor input, params Tensor?[] states)
        {
            using var scope = NewDisposeScope();
            bool single = input.ndim == 2;
            int batchDim = batchFirst ? 0 : 1;
            if (single)
                input = input.unsqueeze(batchDim);
            var start = states.Select(state => state is null ? Zeros(input.size(batchDim), input) : single ? state.unsqueeze(1) : state).ToArray();
            var results = Aten.CallMany(name, input, start.Length == 1 ? start[0] : start, weights, bias, layers, dropout, owner.training, bidirectional, batchFirst);
            if (single)
                results = results.Select((result, i) => result.squeeze(i == 0 ? batchDim : 1)).ToArray();
            foreach (var result in results)
                result.MoveToOuterDisposeScope();
            return results;
        }

        /// <summary>The same for sequences of different lengths; states come and go in the order of the user's sequences.</summary>
        internal (PackedSequence Output, Tensor[] States) Run(string name, PackedSequence input, params Tensor?[] states)
        {
            using var scope = NewDisposeScope();
            long batch = input.batch_sizes.select(0, 0).ToInt64();
            var start = states.Select(state => state is null ? Zeros(batch, input.data) : Ordered(state, input.sorted_indices)).ToArray();
            var results = Aten.CallMany(name, input.data, input.batch_sizes, start.Length == 1 ? start[0] : start, weights, bias, layers, dropout, owner.training, bidirectional);
            var end = results.Skip(1).Select(state => Ordered(state, input.unsorted_indices).MoveToOuterDisposeScope()).ToArray();
            return (input.With(results[0]).MoveToOuterDisposeScope(), end);
        }

        private static Tensor Ordered(Tensor state, Tensor? order) => order is null ? state : state.index_select(1, order);

        /// <summary>On CUDA, lays all weights into one block of memory, as cuDNN likes it.</summary>
        internal void Flatten()
        {
            if (weights.Length == 0 || !weights[0].is_cuda || !Aten.CallBool("_use_cudnn_rnn_flatten_weight"))
                return;
            using (no_grad())
                Aten.Call("_cudnn_rnn_flatten_weight", weights, bias ? 4 : 2, inputSize, mode, hidden, 0, layers, batchFirst, bidirectional).Dispose();
        }
    }

    /// <summary>h' = tanh(W x + b + V h + c), over sequences (L, N, input) or, with the batch first, (N, L, input).</summary>
    public sealed class RNN : nn.Module<Tensor, Tensor?, (Tensor, Tensor)>
    {
        private readonly RecurrentStack stack;
        private readonly bool relu;

        internal RNN(long inputSize, long hiddenSize, long numLayers, nn.NonLinearities nonLinearity, bool bias, bool batchFirst, double dropout, bool bidirectional, Device? device, ScalarType? dtype) : base(nameof(RNN))
        {
            relu = nonLinearity == nn.NonLinearities.ReLU;
            stack = new(this, relu ? 0 : 1, 1, inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, device, dtype);
        }

        /// <param name="h0">The state to start from (layers directions, N, hidden), or null for zeros.</param>
        /// <returns>The last layer's states (L, N, directions hidden), and all layers' at the end.</returns>
        public override (Tensor, Tensor) forward(Tensor input, Tensor? h0)
        {
            var results = stack.Run(relu ? "rnn_relu.input" : "rnn_tanh.input", input, h0);
            return (results[0], results[1]);
        }

        public new (Tensor, Tensor) call(Tensor input, Tensor? h0 = null) => base.call(input, h0);

        public (PackedSequence, Tensor) call(PackedSequence input, Tensor? h0 = null)
        {
            var (output, states) = stack.Run(relu ? "rnn_relu.data" : "rnn_tanh.data", input, h0);
            return (output, states[0]);
        }

        public void flatten_parameters() => stack.Flatten();

        public Parameter? get_weight_ih(long idx) => get_parameter($"weight_ih_l{idx}");
        public Parameter? get_weight_hh(long idx) => get_parameter($"weight_hh_l{idx}");
        public Parameter? get_bias_ih(long idx) => get_parameter($"bias_ih_l{idx}");
        public Parameter? get_bias_hh(long idx) => get_parameter($"bias_hh_l{idx}");
    }

    /// <summary>Long short-term memory (Hochreiter and Schmidhuber, 1997), over sequences (L, N, input) or, with the batch first, (N, L, input).</summary>
    public sealed class LSTM : nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)>
    {
        private readonly RecurrentStack stack;

        internal LSTM(long inputSize, long hiddenSize, long numLayers, bool bias, bool batchFirst, double dropout, bool bidirectional, Device? device, ScalarType? dtype) : base(nameof(LSTM)) =>
            stack = new(this, 2, 4, inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, device, dtype);

        /// <param name="h0_c0">State and cells to start from, each (layers directions, N, hidden), or null for zeros.</param>
        /// <returns>The last layer's states (L, N, directions hidden), and all layers' states and cells at the end.</returns>
        public override (Tensor, Tensor, Tensor) forward(Tensor input, (Tensor, Tensor)? h0_c0 = null)
        {
            var results = stack.Run("lstm.input", input, h0_c0?.Item1, h0_c0?.Item2);
            return (results[0], results[1], results[2]);
        }

        public new (Tensor, Tensor, Tensor) call(Tensor input, (Tensor, Tensor)? h0_c0 = null) => base.call(input, h0_c0);

        public (PackedSequence, Tensor, Tensor) call(PackedSequence input, (Tensor, Tensor)? h0_c0 = null)
        {
            var (output, states) = stack.Run("lstm.data", input, h0_c0?.Item1, h0_c0?.Item2);
            return (output, states[0], states[1]);
        }

        public void flatten_parameters() => stack.Flatten();
    }

    /// <summary>Gated recurrent units (Cho et al., 2014), over sequences (L, N, input) or, with the batch first, (N, L, input).</summary>
    public sealed class GRU : nn.Module<Tensor, Tensor, (Tensor, Tensor)>
    {
        private readonly RecurrentStack stack;

        internal GRU(long inputSize, long hiddenSize, long numLayers, bool bias, bool batchFirst, double dropout, bool bidirectional, Device? device, ScalarType? dtype) : base(nameof(GRU)) =>
            stack = new(this, 3, 3, inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, device, dtype);

        /// <inheritdoc cref="RNN.forward"/>
        public override (Tensor, Tensor) forward(Tensor input, Tensor? h0 = null)
        {
            var results = stack.Run("gru.input", input, h0);
            return (results[0], results[1]);
        }

        public new (Tensor, Tensor) call(Tensor input, Tensor? h0 = null) => base.call(input, h0!);

        public (PackedSequence, Tensor) call(PackedSequence input, Tensor? h0 = null)
        {
            var (output, states) = stack.Run("gru.data", input, h0);
            return (output, states[0]);
        }

        public void flatten_parameters() => stack.Flatten();
    }

    /// <summary>One step of an <see cref="RNN"/>.</summary>
    public sealed class RNNCell : nn.Module<Tensor, Tensor, Tensor>
    {
        [ComponentName(Name = nameof(weight_ih))]
        private Parameter? _weight_ih;
        [ComponentName(Name = nameof(weight_hh))]
        private Parameter? _weight_hh;
        [ComponentName(Name = nameof(bias_ih))]
        private Parameter? _bias_ih;
        [ComponentName(Name = nameof(bias_hh))]
        private Parameter? _bias_hh;
        private readonly bool relu;

        internal RNNCell(long inputSize, long hiddenSize, nn.NonLinearities nonLinearity, bool bias, Device? device, ScalarType? dtype) : base(nameof(RNNCell))
        {
            relu = nonLinearity == nn.NonLinearities.ReLU;
            double bound = hiddenSize > 0 ? 1 / Math.Sqrt(hiddenSize) : 0;
            weight_ih = Uniform([hiddenSize, inputSize]);
            weight_hh = Uniform([hiddenSize, hiddenSize]);
            if (!bias)
                return;
            bias_ih = Uniform([hiddenSize]);
            bias_hh = Uniform([hiddenSize]);

            Parameter Uniform(long[] shape) => (Parameter)nn.init.uniform_(nn.EmptyParameter(shape, device, dtype), -bound, bound);
        }

        public Parameter? weight_ih
        {
            get => _weight_ih;
            set => Assign(ref _weight_ih, value, nameof(weight_ih));
        }

        public Parameter? weight_hh
        {
            get => _weight_hh;
            set => Assign(ref _weight_hh, value, nameof(weight_hh));
        }

        public Parameter? bias_ih
        {
            get => _bias_ih;
            set => Assign(ref _bias_ih, value, nameof(bias_ih));
        }

        public Parameter? bias_hh
        {
            get => _bias_hh;
            set => Assign(ref _bias_hh, value, nameof(bias_hh));
        }

        /// <summary>Input (N, input) and state (N, hidden) to the next state; null is a state of zeros.</summary>
        public override Tensor forward(Tensor input, Tensor? h0 = null)
        {
            using var zero = h0 is null ? zeros([.. input.shape[..^1], _weight_hh!.size(1)], input.dtype, input.device) : null;
            return Aten.Call(relu ? "rnn_relu_cell" : "rnn_tanh_cell", input, h0 ?? zero, _weight_ih, _weight_hh, _bias_ih, _bias_hh);
        }
    }

    /// <summary>One step of a <see cref="GRU"/>.</summary>
    public sealed class GRUCell : nn.Module<Tensor, Tensor, Tensor>
    {
        [ComponentName(Name = nameof(weight_ih))]
        private Parameter? _weight_ih;
        [ComponentName(Name = nameof(weight_hh))]
        private Parameter? _weight_hh;
        [ComponentName(Name = nameof(bias_ih))]
        private Parameter? _bias_ih;
        [ComponentName(Name = nameof(bias_hh))]
        private Parameter? _bias_hh;

        internal GRUCell(long inputSize, long hiddenSize, bool bias, Device? device, ScalarType? dtype) : base(nameof(GRUCell))
        {
            double bound = hiddenSize > 0 ? 1 / Math.Sqrt(hiddenSize) : 0;
            weight_ih = Uniform([3 * hiddenSize, inputSize]);
            weight_hh = Uniform([3 * hiddenSize, hiddenSize]);
            if (!bias)
                return;
            bias_ih = Uniform([3 * hiddenSize]);
            bias_hh = Uniform([3 * hiddenSize]);

            Parameter Uniform(long[] shape) => (Parameter)nn.init.uniform_(nn.EmptyParameter(shape, device, dtype), -bound, bound);
        }

        public Parameter? weight_ih
        {
            get => _weight_ih;
            set => Assign(ref _weight_ih, value, nameof(weight_ih));
        }

        public Parameter? weight_hh
        {
            get => _weight_hh;
            set => Assign(ref _weight_hh, value, nameof(weight_hh));
        }

        public Parameter? bias_ih
        {
            get => _bias_ih;
            set => Assign(ref _bias_ih, value, nameof(bias_ih));
        }

        public Parameter? bias_hh
        {
            get => _bias_hh;
            set => Assign(ref _bias_hh, value, nameof(bias_hh));
        }

        /// <summary>Input (N, input) and state (N, hidden) to the next state; null is a state of zeros.</summary>
        public override Tensor forward(Tensor input, Tensor? h0 = null)
        {
            using var zero = h0 is null ? zeros([.. input.shape[..^1], _weight_hh!.size(1)], input.dtype, input.device) : null;
            return Aten.Call("gru_cell", input, h0 ?? zero, _weight_ih, _weight_hh, _bias_ih, _bias_hh);
        }
    }

    /// <summary>One step of an <see cref="LSTM"/>.</summary>
    public sealed class LSTMCell : nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor)>
    {
        [ComponentName(Name = nameof(weight_ih))]
        private Parameter? _weight_ih;
        [ComponentName(Name = nameof(weight_hh))]
        private Parameter? _weight_hh;
        [ComponentName(Name = nameof(bias_ih))]
        private Parameter? _bias_ih;
        [ComponentName(Name = nameof(bias_hh))]
        private Parameter? _bias_hh;

        internal LSTMCell(long inputSize, long hiddenSize, bool bias, Device? device, ScalarType? dtype) : base(nameof(LSTMCell))
        {
            double bound = hiddenSize > 0 ? 1 / Math.Sqrt(hiddenSize) : 0;
            weight_ih = Uniform([4 * hiddenSize, inputSize]);
            weight_hh = Uniform([4 * hiddenSize, hiddenSize]);
            if (!bias)
                return;
            bias_ih = Uniform([4 * hiddenSize]);
            bias_hh = Uniform([4 * hiddenSize]);

            Parameter Uniform(long[] shape) => (Parameter)nn.init.uniform_(nn.EmptyParameter(shape, device, dtype), -bound, bound);
        }

        public Parameter? weight_ih
        {
            get => _weight_ih;
            set => Assign(ref _weight_ih, value, nameof(weight_ih));
        }

        public Parameter? weight_hh
        {
            get => _weight_hh;
            set => Assign(ref _weight_hh, value, nameof(weight_hh));
        }

        public Parameter? bias_ih
        {
            get => _bias_ih;
            set => Assign(ref _bias_ih, value, nameof(bias_ih));
        }

        public Parameter? bias_hh
        {
            get => _bias_hh;
            set => Assign(ref _bias_hh, value, nameof(bias_hh));
        }

        public new (Tensor, Tensor) call(Tensor input, (Tensor, Tensor)? h0_c0 = null) => base.call(input, h0_c0);

        /// <summary>Input (N, input), state and cells (N, hidden) to the next state and cells; null is zeros.</summary>
        public override (Tensor, Tensor) forward(Tensor input, (Tensor, Tensor)? h0_c0)
        {
            using var zero = h0_c0 is null ? zeros([.. input.shape[..^1], _weight_hh!.size(1)], input.dtype, input.device) : null;
            Tensor?[] start = [h0_c0?.Item1 ?? zero, h0_c0?.Item2 ?? zero];
            return Aten.Call2("lstm_cell", input, start, _weight_ih, _weight_hh, _bias_ih, _bias_hh);
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public enum NonLinearities
            {
                ReLU = 0,
                Tanh = 1,
            }

            public static RNN RNN(long inputSize, long hiddenSize, long numLayers = 1, NonLinearities nonLinearity = NonLinearities.Tanh, bool bias = true, bool batchFirst = false, double dropout = 0, bool bidirectional = false, Device? device = null, ScalarType? dtype = null) =>
                new(inputSize, hiddenSize, numLayers, nonLinearity, bias, batchFirst, dropout, bidirectional, device, dtype);

            public static LSTM LSTM(long inputSize, long hiddenSize, long numLayers = 1, bool bias = true, bool batchFirst = false, double dropout = 0, bool bidirectional = false, Device? device = null, ScalarType? dtype = null) =>
                new(inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, device, dtype);

            public static GRU GRU(long inputSize, long hiddenSize, long numLayers = 1, bool bias = true, bool batchFirst = false, double dropout = 0, bool bidirectional = false, Device? device = null, ScalarType? dtype = null) =>
                new(inputSize, hiddenSize, numLayers, bias, batchFirst, dropout, bidirectional, device, dtype);

            public static RNNCell RNNCell(long inputSize, long hiddenSize, NonLinearities nonLinearity = NonLinearities.Tanh, bool bias = true, Device? device = null, ScalarType? dtype = null) =>
                new(inputSize, hiddenSize, nonLinearity, bias, device, dtype);

            public static LSTMCell LSTMCell(long inputSize, long hiddenSize, bool bias = true, Device? device = null, ScalarType? dtype = null) => new(inputSize, hiddenSize, bias, device, dtype);
            public static GRUCell GRUCell(long inputSize, long hiddenSize, bool bias = true, Device? device = null, ScalarType? dtype = null) => new(inputSize, hiddenSize, bias, device, dtype);
        }
    }
}
