using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>A module that has nothing to train, save or move.</summary>
public interface IParameterLessModule
{
}

/// <inheritdoc cref="IParameterLessModule"/>
public abstract class ParameterLessModule<T1, TResult> : nn.Module<T1, TResult>, IParameterLessModule
{
    protected ParameterLessModule(string name) : base(name)
    {
    }

    public override void register_buffer(string name, Tensor tensor, bool persistent = true) => throw ParameterLess.Refuse(this, "buffer", name);
    public override void register_parameter(string name, Parameter param) => throw ParameterLess.Refuse(this, "parameter", name);
    public override void register_module(string name, nn.Module submodule) => throw ParameterLess.Refuse(this, "module", name);
}

/// <inheritdoc cref="IParameterLessModule"/>
public abstract class ParameterLessModule<T1, T2, TResult> : nn.Module<T1, T2, TResult>, IParameterLessModule
{
    protected ParameterLessModule(string name) : base(name)
    {
    }

    public override void register_buffer(string name, Tensor tensor, bool persistent = true) => throw ParameterLess.Refuse(this, "buffer", name);
    public override void register_parameter(string name, Parameter param) => throw ParameterLess.Refuse(this, "parameter", name);
    public override void register_module(string name, nn.Module submodule) => throw ParameterLess.Refuse(this, "module", name);
}

/// <inheritdoc cref="IParameterLessModule"/>
public abstract class ParameterLessModule<T1, T2, T3, TResult> : nn.Module<T1, T2, T3, TResult>, IParameterLessModule
{
    protected ParameterLessModule(string name) : base(name)
    {
    }

    public override void register_buffer(string name, Tensor tensor, bool persistent = true) => throw ParameterLess.Refuse(this, "buffer", name);
    public override void register_parameter(string name, Parameter param) => throw ParameterLess.Refuse(this, "parameter", name);
    public override void register_module(string name, nn.Module submodule) => throw ParameterLess.Refuse(this, "module", name);
}

/// <inheritdoc cref="IParameterLessModule"/>
public abstract class ParameterLessModule<T1, T2, T3, T4, TResult> : nn.Module<T1, T2, T3, T4, TResult>, IParameterLessModule
{
    protected ParameterLessModule(string name) : base(name)
    {
    }

    public override void register_buffer(string name, Tensor tensor, bool persistent = true) => throw ParameterLess.Refuse(this, "buffer", name);
    public override void register_parameter(string name, Parameter param) => throw ParameterLess.Refuse(this, "parameter", name);
    public override void register_module(string name, nn.Module submodule) => throw ParameterLess.Refuse(this, "module", name);
}

/// <inheritdoc cref="IParameterLessModule"/>
public abstract class ParameterLessModule<T1, T2, T3, T4, T5, TResult> : nn.Module<T1, T2, T3, T4, T5, TResult>, IParameterLessModule
{
    protected ParameterLessModule(string name) : base(name)
    {
    }

    public override void register_buffer(string name, Tensor tensor, bool persistent = true) => throw ParameterLess.Refuse(this, "buffer", name);
    public override void register_parameter(string name, Parameter param) => throw ParameterLess.Refuse(this, "parameter", name);
    public override void register_module(string name, nn.Module submodule) => throw ParameterLess.Refuse(this, "module", name);
}

/// <inheritdoc cref="IParameterLessModule"/>
public abstract class ParameterLessModule<T1, T2, T3, T4, T5, T6, TResult> : nn.Module<T1, T2, T3, T4, T5, T6, TResult>, IParameterLessModule
{
    protected ParameterLessModule(string name) : base(name)
    {
    }

    public override void register_buffer(string name, Tensor tensor, bool persistent = true) => throw ParameterLess.Refuse(this, "buffer", name);
    public override void register_parameter(string name, Parameter param) => throw ParameterLess.Refuse(this, "parameter", name);
    public override void register_module(string name, nn.Module submodule) => throw ParameterLess.Refuse(this, "module", name);
}

internal static class ParameterLess
{
    internal static Exception Refuse(nn.Module module, string what, string name) =>
        new InvalidOperationException($"{module.GetName()} holds no parameters, buffers or modules: {what} '{name}' cannot be added");
}
