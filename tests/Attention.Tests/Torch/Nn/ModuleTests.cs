using Attention.Torch;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Attention.Tests.Torch.Nn;

/// <summary>What holds for every module: registration, state, modes, moves, hooks, and its end.</summary>
public sealed class ModuleTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly Linear fc;
        [ComponentName(Name = "norm")]
        private readonly BatchNorm1d theNorm;
        private readonly Parameter? none;
        private readonly Tensor offset;
        public readonly Parameter scale;

        public Block(long width) : base("Block")
        {
            fc = Linear(width, width);
            theNorm = BatchNorm1d(width);
            offset = zeros(width);
            scale = Parameter(ones(width));
            none = null;
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => theNorm.call(fc.call(x)) * (none ?? scale) + offset;
    }

    private sealed class Net : nn.Module<Tensor, Tensor>
    {
        private readonly Block first = new(3);
        private readonly ModuleList<Block> blocks = ModuleList(new Block(3), new Block(3));
        private readonly Sequential head = Sequential(("drop", Dropout(0.5)), ("out", Linear(3, 2)));

        public Net() : base("Net") => RegisterComponents();

        public override Tensor forward(Tensor x)
        {
            x = first.call(x);
            foreach (var block in blocks)
                x = block.call(x);
            return head.call(x);
        }
    }

    private static readonly string[] blockParameters = ["scale", "fc.weight", "fc.bias", "norm.weight", "norm.bias"];
    private static readonly string[] blockBuffers = ["offset", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"];

    [Fact]
    public void NamesComeFromFieldsInOrder()
    {
        using var block = new Block(3);
        Assert.Equal(blockParameters, block.named_parameters().Select(p => p.name));
        Assert.Equal(["scale"], block.named_parameters(false).Select(p => p.name));
        Assert.Equal(blockBuffers, block.named_buffers().Select(b => b.name));
        Assert.Equal(["fc", "norm"], block.named_children().Select(m => m.name));

        using var net = new Net();
        string[] places = ["first", "blocks.0", "blocks.1"];
        string[] parameters = [.. places.SelectMany(place => blockParameters.Select(name => $"{place}.{name}")), "head.out.weight", "head.out.bias"];
        Assert.Equal([.. parameters, .. places.SelectMany(place => blockBuffers.Select(name => $"{place}.{name}"))], net.state_dict().Keys);
        Assert.Equal(parameters, net.named_parameters().Select(p => p.name));
        Assert.Equal(["first", "blocks", "head", "first.fc", "first.norm", "blocks.0", "blocks.1"], net.named_modules().Select(m => m.name).Take(7));
        Assert.Equal(["x.head.out.weight"], net.state_dict(prefix: "x").Keys.Where(key => key.EndsWith("out.weight", StringComparison.Ordinal)));
    }

    [Fact]
    public void FindsByDottedName()
    {
        using var net = new Net();
        Assert.Equal([2, 3], net.get_parameter("head.out.weight")!.shape);
        Assert.True(net.has_parameter("blocks.1.fc.bias"));
        Assert.False(net.has_parameter("blocks.2.fc.bias"));
        Assert.Null(net.get_parameter("blocks"));
        Assert.True(net.has_buffer("first.norm.running_mean"));
        Assert.Null(net.get_buffer("first.scale"));
    }

    [Fact]
    public void RefusesWhatCannotBeRegistered()
    {
        using var net = new Net();
        Assert.Contains("'weight' is already", Assert.Throws<InvalidOperationException>(() => Linear(1, 1).register_parameter("weight", Parameter(zeros(1)))).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => net.register_module("head", Linear(1, 1)));
        Assert.Throws<ArgumentException>(() => net.register_module("a.b", Linear(1, 1)));
        Assert.Throws<ArgumentException>(() => net.register_module("", Linear(1, 1)));
        Assert.Throws<ArgumentNullException>(() => net.register_buffer("gone", null!));
        Assert.Contains("ReLU holds no", Assert.Throws<InvalidOperationException>(() => ReLU().register_buffer("x", zeros(1))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BuffersMayStayOutOfTheState()
    {
        using var block = new Block(3);
        block.register_buffer("cache", arange(4), persistent: false);
        Assert.DoesNotContain("cache", block.state_dict().Keys);
        Assert.Contains("cache", block.named_buffers().Select(b => b.name));
        Assert.DoesNotContain("cache", block.named_buffers(include_nonpersistent: false).Select(b => b.name));
    }

    [Fact]
    public void TiedWeightsAreOneParameterUnderTwoKeys()
    {
        using var first = Linear(3, 3, false);
        using var second = Linear(3, 3, false);
        second.weight = first.weight;
        using var both = Sequential(first, second);
        Assert.Equal(["0.weight"], both.named_parameters().Select(p => p.name));
        Assert.Equal(["0.weight", "1.weight"], both.state_dict().Keys);
        both.to(ScalarType.Float64);
        Assert.Same(first.weight, second.weight);
        Assert.Equal(ScalarType.Float64, second.weight.dtype);
    }

    [Fact]
    public void AssigningAParameterPutsItInPlace()
    {
        using var layer = Linear(3, 2);
        var old = layer.bias!;
        layer.bias = null;
        Assert.True(old.IsInvalid);
        Assert.Equal(["weight"], layer.state_dict().Keys);
        layer.bias = Parameter(full(2, 7.0f));
        Assert.Equal(["weight", "bias"], layer.state_dict().Keys);
        using (no_grad())
            layer.weight.zero_();
        Assert.Equal([7f, 7f], layer.call(ones(3)).data<float>().ToArray());
    }

    [Fact]
    public void SavesAndLoads()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "net.dat");
        using var net = new Net();
        net.call(randn(5, 3));
        net.save(path);
        using var other = new Net();
        var seen = new Dictionary<string, bool>();
        other.load(path, loadedParameters: seen);
        Assert.Equal(net.state_dict().Keys, seen.Keys);
        foreach (var (key, value) in net.state_dict())
            Assert.True(value.equal(other.state_dict()[key]).ToBoolean(), key);

        net.eval();
        other.eval();
        var x = randn(4, 3);
        Assert.True(net.call(x).allclose(other.call(x)));
    }

    [Fact]
    public void FileHasTorchSharpsFormat()
    {
        using var layer = Linear(2, 1, false);
        using (no_grad())
            layer.weight.copy_(tensor(new[,] { { 1f, -2f } }));
        using var stream = new MemoryStream();
        layer.save(stream);
        // One entry; its name with its length; Float32, two dimensions, 1 and 2; the elements.
        Assert.Equal([1, 6, .. "weight"u8, 6, 2, 1, 2, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0], stream.ToArray());
    }

    [Fact]
    public void LoadingSaysWhatDoesNotFit()
    {
        byte[] Saved(nn.Module module, IList<string>? skip = null)
        {
            using var stream = new MemoryStream();
            module.save(stream, skip);
            return stream.ToArray();
        }

        using var wide = Linear(4, 2);
        using var narrow = Linear(3, 2);
        var shape = Assert.Throws<ArgumentException>(() => wide.load(new MemoryStream(Saved(narrow))));
        Assert.Contains("'weight' is Float32 of shape (2, 4), in the file Float32 of shape (2, 3)", shape.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => wide.load(new MemoryStream(Saved(wide, ["bias"]))));
        wide.load(new MemoryStream(Saved(narrow)), skip: ["weight"]);
        Assert.True(wide.bias!.allclose(narrow.bias!));
        Assert.Throws<EndOfStreamException>(() => wide.load(new MemoryStream(Saved(wide)[..^3])));
        Assert.Throws<FileNotFoundException>(() => wide.load("no/such/file"));
    }

    [Fact]
    public void StateDictsAreChecked()
    {
        using var layer = Linear(3, 2);
        var state = layer.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        state["extra"] = zeros(1);
        state.Remove("bias");
        var error = Assert.Throws<InvalidOperationException>(() => layer.load_state_dict(state));
        Assert.Contains("1 missing: bias; 1 unexpected: extra", error.Message, StringComparison.Ordinal);
        var (missing, unexpected) = layer.load_state_dict(state, strict: false);
        Assert.Equal(["bias"], missing);
        Assert.Equal(["extra"], unexpected);
        layer.load_state_dict(state, skip: ["bias", "extra"]);

        state["weight"] = zeros(1, 3);
        var before = layer.weight.detach().clone();
        Assert.Contains("'weight' has shape (1, 3), expected (2, 3)", Assert.Throws<InvalidOperationException>(() => layer.load_state_dict(state, false)).Message, StringComparison.Ordinal);
        Assert.True(layer.weight.allclose(before));
        state["weight"] = ones(2, 3, ScalarType.Float64);
        layer.load_state_dict(state, false);
        Assert.Equal(ScalarType.Float32, layer.weight.dtype);
        Assert.Equal(6, layer.weight.sum().ToDouble());
    }

    [Fact]
    public void TrainAndEvalReachEverything()
    {
        using var net = new Net();
        net.eval();
        Assert.All(net.modules(), module => Assert.False(module.training));
        var x = ones(2, 3);
        Assert.True(net.call(x).equal(net.call(x)).ToBoolean());
        net.train();
        Assert.All(net.modules(), module => Assert.True(module.training));
    }

    [Fact]
    public void ApplyVisitsInnermostFirst()
    {
        using var net = new Net();
        var names = new List<string>();
        net.apply(module => names.Add(module.GetName()));
        Assert.Equal(["Linear", "BatchNorm1d", "Block"], names.Take(3));
        Assert.Equal("Net", names[^1]);
        Assert.Equal(net.modules().Count() + 1, names.Count);
    }

    [Fact]
    public void MovesKeepTheParametersAndTheirGradients()
    {
        using var net = new Net();
        var weight = net.get_parameter("first.fc.weight")!;
        net.call(randn(5, 3)).sum().backward();
        var gradient = weight.grad!.to(ScalarType.Float64);
        Assert.Same(net, net.to(ScalarType.Float64));
        Assert.Same(weight, net.get_parameter("first.fc.weight"));
        Assert.All(net.parameters(), parameter => Assert.Equal((ScalarType.Float64, true, true), (parameter.dtype, parameter.requires_grad, parameter.is_leaf)));
        Assert.True(gradient.allclose(weight.grad!));
        Assert.Equal(ScalarType.Int64, net.get_buffer("first.norm.num_batches_tracked")!.dtype);
        Assert.Equal(ScalarType.Float64, net.get_buffer("first.norm.running_mean")!.dtype);
        net.call(randn(5, 3, ScalarType.Float64)).sum().backward();
        Assert.Throws<ArgumentException>(() => net.to(ScalarType.Int32));

        net.to(DeviceType.META);
        Assert.True(weight.is_meta && weight.requires_grad);
    }

    [Fact]
    public void GradientsAreForgottenOrZeroed()
    {
        using var layer = Linear(3, 2);
        layer.call(ones(3)).sum().backward();
        layer.zero_grad(false);
        Assert.Equal(0, layer.weight.grad!.abs().sum().ToDouble());
        layer.zero_grad();
        Assert.Null(layer.weight.grad);
    }

    [Fact]
    public void HooksSeeAndChangeCalls()
    {
        using var layer = Linear(2, 2, false);
        using (no_grad())
            nn.init.eye_(layer.weight);
        var log = new List<string>();
        var before = layer.register_forward_pre_hook((module, x) =>
        {
            log.Add("before");
            return x + 1;
        });
        var after = layer.register_forward_hook((module, x, y) =>
        {
            log.Add("after");
            return y * 10;
        });
        var plainBefore = layer.register_forward_pre_hook(module => log.Add($"pre {module.GetName()}"));
        var plainAfter = layer.register_forward_hook(module => log.Add("post"));

        Assert.Equal([20f, 30f], layer.call(tensor(new[] { 1f, 2f })).data<float>().ToArray());
        Assert.Equal(["pre Linear", "before", "after", "post"], log);
        Assert.Equal([1f, 2f], layer.forward(tensor(new[] { 1f, 2f })).data<float>().ToArray());
        before.remove();
        plainBefore.remove();
        plainAfter.remove();
        Assert.Equal([10f, 20f], layer.call(tensor(new[] { 1f, 2f })).data<float>().ToArray());
        after.remove();
        after.remove();
        Assert.Equal([1f, 2f], layer.call(tensor(new[] { 1f, 2f })).data<float>().ToArray());
        Assert.Equal(5, log.Count);
    }

    [Fact]
    public void HooksOfSeveralArguments()
    {
        using var layer = Bilinear(1, 1, 1, false);
        using (no_grad())
            layer.weight.fill_(1);
        layer.register_forward_pre_hook((module, a, b) => (b, b));
        layer.register_forward_hook((module, a, b, y) => null!);
        Assert.Equal(9, layer.call(ones(1), full(1, 3.0f)).ToDouble());
    }

    [Fact]
    public void ParametersOutliveTheScopeTheyWereMadeIn()
    {
        Net net;
        using (NewDisposeScope())
            net = new Net();
        Assert.All(net.parameters(), parameter => Assert.False(parameter.IsInvalid));
        Assert.All(net.buffers(), buffer => Assert.False(buffer.IsInvalid));
        net.call(ones(2, 3));
        net.Dispose();
    }

    [Fact]
    public void ModelsMadeInInferenceModeCanBeTrained()
    {
        Net net;
        Parameter own;
        using (inference_mode())
        {
            net = new Net();
            own = Parameter(zeros(3));
        }
        (net.call(randn(4, 3)).sum() + own.sum()).backward();
        Assert.Equal([1f, 1f, 1f], own.grad!.data<float>().ToArray());
        net.Dispose();
    }

    [Fact]
    public void NothingIsLeftOfADisposedModel()
    {
        void Use()
        {
            using var inner = NewDisposeScope();
            using var net = new Net();
            using var rest = Sequential(Linear(2, 4), BatchNorm1d(4), Embeddings(), Transformer());
            net.call(randn(4, 3)).sum().backward();
            net.to(ScalarType.Float64).to(ScalarType.Float32);
            net.zero_grad();
        }

        nn.Module<Tensor, Tensor> Embeddings() => Sequential(Conv1d(1, 1, 1), GELU());
        nn.Module<Tensor, Tensor> Transformer() => TransformerEncoderLayer(4, 2, 8);

        Use();
        long before = Tensor.TotalCount;
        for (int i = 0; i < 3; i++)
            Use();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void CallsLeaveNothingInTheCallersScope()
    {
        // Each composed layer or function leaves only its results.
        using var attention = MultiheadAttention(4, 2);
        using var encoder = TransformerEncoder(TransformerEncoderLayer(4, 2, 8), 2);
        using var lstm = LSTM(4, 4);
        using var sequential = Sequential(Linear(4, 4), GELU(), Identity(), Dropout(0.1), Linear(4, 4));
        var x = randn(3, 2, 4);
        var mask = zeros(2, 2);
        void Leaves(int results, Action call)
        {
            int before = scope.DisposablesCount;
            call();
            Assert.Equal(before + results, scope.DisposablesCount);
        }

        Leaves(2, () => attention.call(x, x, x));
        Leaves(1, () => attention.call(x, x, x, need_weights: false));
        Leaves(1, () => encoder.call(x));
        Leaves(3, () => lstm.call(x));
        Leaves(1, () => sequential.call(x));
        Leaves(1, () => nn.functional.scaled_dot_product_attention(x, x, x, mask));
        Leaves(1, () => nn.functional.normalize(x));
        Leaves(1, () => nn.functional.softsign(x));
        Leaves(1, () => nn.functional.local_response_norm(x, 2));
        Leaves(1, () => nn.functional.lp_pool1d(x, 2, 2));
        Leaves(1, () => nn.functional.gaussian_nll_loss(x, x, x));
        Leaves(1, () => nn.functional.triplet_margin_with_distance_loss(x, x, x));
        Leaves(0, () => nn.init.trunc_normal_(x));
        Leaves(0, () => nn.init.orthogonal_(x));
        Leaves(0, () => nn.utils.clip_grad_norm_(lstm.parameters(), 1));
    }

    [Fact]
    public void WrongShapesAreLibtorchsErrorsWithTheOperatorsName()
    {
        void Fails(string expected, Action call) => Assert.Contains(expected, Assert.Throws<TorchException>(call).Message, StringComparison.Ordinal);

        using var linear = Linear(3, 2);
        Fails("aten::linear: mat1 and mat2 shapes cannot be multiplied (4x5 and 3x2)", () => linear.call(ones(4, 5)));
        using var convolution = Conv2d(3, 4, 3);
        Fails("aten::conv2d: Given groups=1, weight of size [4, 3, 3, 3], expected input[1, 2, 5, 5] to have 3 channels", () => convolution.call(ones(1, 2, 5, 5)));
        using var norm = LayerNorm(3);
        Fails("aten::layer_norm: Given normalized_shape=[3]", () => norm.call(ones(2, 4)));
        using var table = Embedding(3, 2);
        Fails("aten::embedding", () => table.call(tensor(new long[] { 3 })));
        Fails("aten::cross_entropy_loss", () => nn.functional.cross_entropy(ones(2, 3), zeros(4, ScalarType.Int64)));
        Fails("aten::gelu", () => GELU().call(ones(2, ScalarType.Int64)));
        using var batch = BatchNorm2d(3);
        Assert.Contains("BatchNorm2d takes 4 dimensions, not shape (2, 3)", Assert.Throws<ArgumentException>(() => batch.call(ones(2, 3))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Conv2d(3, 4, 3, groups: 2));
    }
}
