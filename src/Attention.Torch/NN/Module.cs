using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>
        /// A layer or a model: parameters, buffers and other modules, held in fields whose names are the keys of the state dict.
        /// A derived class assigns them in its constructor and then calls <see cref="RegisterComponents"/>.
        /// </summary>
        public class Module : IDisposable
        {
            private readonly OrderedDictionary<string, Module> submodules = [];
            private readonly OrderedDictionary<string, Parameter> ownParameters = [];
            private readonly OrderedDictionary<string, (Tensor Tensor, bool Persistent)> ownBuffers = [];
            private bool inTraining = true;
            private bool registered;

            protected string? name;

            protected Module(string name) => this.name = name;

            // --- registration --------------------------------------------------------------------

            /// <summary>
            /// Registers what the fields of this object hold: modules, parameters, and tensors as buffers, each under the
            /// field's name or that of its <see cref="ComponentNameAttribute"/>. The first call counts.
            /// </summary>
            protected virtual void RegisterComponents()
            {
                if (registered)
                    return;
                foreach (var (field, component) in ComponentFields.Of(GetType()))
                {
                    if (submodules.ContainsKey(component) || ownParameters.ContainsKey(component) || ownBuffers.ContainsKey(component))
                        continue;
                    switch (field.GetValue(this))
                    {
                        case Module module:
                            register_module(component, module);
                            break;
                        case Parameter parameter:
                            register_parameter(component, parameter);
                            break;
                        case Tensor tensor:
                            register_buffer(component, tensor);
                            break;
                    }
                }
                registered = true;
            }

            /// <summary>Adds a tensor that belongs to the module's state but is not trained.</summary>
            /// <param name="persistent">Whether it is part of the state dict.</param>
            public virtual void register_buffer(string name, Tensor tensor, bool persistent = true)
            {
                if (tensor is null || tensor.IsInvalid)
                    throw new ArgumentNullException(nameof(tensor), $"buffer '{name}' is null or disposed");
                if (!ownBuffers.TryAdd(name, (tensor, persistent)))
                    throw new InvalidOperationException($"buffer '{name}' is already registered");
                tensor.DetachFromDisposeScope();
            }

            public virtual void register_parameter(string name, Parameter param)
            {
                if (param is null || param.IsInvalid)
                    throw new ArgumentNullException(nameof(param), $"parameter '{name}' is null or disposed");
                if (!ownParameters.TryAdd(name, param))
                    throw new InvalidOperationException($"parameter '{name}' is already registered");
                param.DetachFromDisposeScope();
            }

            /// <summary>Adds a module, or removes the one of that name where <paramref name="submodule"/> is null.</summary>
            public virtual void register_module(string name, Module submodule)
            {
                if (submodule is null)
                {
                    submodules.Remove(name);
                    return;
                }
                if (string.IsNullOrEmpty(name) || name.Contains('.'))
                    throw new ArgumentException($"'{name}' cannot name a module: it is empty or contains a dot", nameof(name));
                if (!submodules.TryAdd(name, submodule))
                    throw new InvalidOperationException($"module '{name}' is already registered");
                submodule.RegisterComponents();
            }

            public void add_module(string name, Module module) => register_module(name, module);

            protected void ConditionallyRegisterParameter(string name, Tensor value) => ConditionallyRegisterParameter(name, value as Parameter);

            /// <summary>Puts a parameter in the place of the one of that name, or removes that where it is null.</summary>
            protected void ConditionallyRegisterParameter(string name, Parameter? value)
            {
                if (value is null)
                    ownParameters.Remove(name);
                else
                    ownParameters[name] = (Parameter)value.DetachFromDisposeScope();
            }

            /// <summary>Puts a buffer in the place of the one of that name, or removes that where it is null.</summary>
            protected void ConditionallyRegisterBuffer(string name, Tensor? value, bool persistent = true)
            {
                if (value is null)
                    ownBuffers.Remove(name);
                else
                    ownBuffers[name] = (value.DetachFromDisposeScope(), persistent);
            }

            protected void ClearModules() => submodules.Clear();

            internal void ClearParameters() => ownParameters.Clear();

            /// <summary>Assigns to a field that holds a parameter; the parameter that was there is disposed.</summary>
            internal void Assign(ref Parameter? field, Parameter? value, string name)
            {
                if (!ReferenceEquals(field, value))
                    field?.Dispose();
                field = value;
                ConditionallyRegisterParameter(name, value);
            }

            /// <summary>Assigns to a field that holds a buffer; the buffer that was there is disposed.</summary>
            internal void Assign(ref Tensor? field, Tensor? value, string name)
            {
                if (!ReferenceEquals(field, value))
                    field?.Dispose();
                field = value;
                ConditionallyRegisterBuffer(name, value);
            }

            // --- what is there -------------------------------------------------------------------

            /// <summary>The parameters with their dotted names, each once.</summary>
            public virtual IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true)
            {
                var seen = new HashSet<IntPtr>();
                foreach (var (name, parameter) in ownParameters)
                    if (!parameter.IsInvalid && seen.Add(parameter.Handle))
                        yield return (name, parameter);
                if (!recurse)
                    yield break;
                foreach (var (prefix, module) in submodules)
                    foreach (var (name, parameter) in module.named_parameters(true))
                        if (seen.Add(parameter.Handle))
                            yield return ($"{prefix}.{name}", parameter);
            }

            /// <summary>The buffers with their dotted names, each once.</summary>
            public virtual IEnumerable<(string name, Tensor buffer)> named_buffers(bool recurse = true, bool include_nonpersistent = true)
            {
                var seen = new HashSet<IntPtr>();
                foreach (var (name, (buffer, persistent)) in ownBuffers)
                    if ((persistent || include_nonpersistent) && !buffer.IsInvalid && seen.Add(buffer.Handle))
                        yield return (name, buffer);
                if (!recurse)
                    yield break;
                foreach (var (prefix, module) in submodules)
                    foreach (var (name, buffer) in module.named_buffers(true, include_nonpersistent))
                        if (seen.Add(buffer.Handle))
                            yield return ($"{prefix}.{name}", buffer);
            }

            /// <summary>The modules that this one holds itself.</summary>
            public virtual IEnumerable<(string name, Module module)> named_children()
            {
                foreach (var (name, module) in submodules)
                    yield return (name, module);
            }

            /// <summary>All modules below this one: first its own, then theirs.</summary>
            public virtual IEnumerable<(string name, Module module)> named_modules()
            {
                foreach (var (name, module) in submodules)
                    yield return (name, module);
                foreach (var (prefix, module) in submodules)
                    foreach (var (name, inner) in module.named_modules())
                        yield return ($"{prefix}.{name}", inner);
            }

            public virtual IEnumerable<Parameter> parameters(bool recurse = true) => named_parameters(recurse).Select(p => p.parameter);
            public virtual IEnumerable<Tensor> buffers(bool recurse = true, bool include_nonpersistent = true) => named_buffers(recurse, include_nonpersistent).Select(b => b.buffer);
            public virtual IEnumerable<Module> children() => named_children().Select(m => m.module);
            public virtual IEnumerable<Module> modules() => named_modules().Select(m => m.module);

            public virtual bool has_parameter(string target) => get_parameter(target) is not null;
            public virtual bool has_buffer(string target) => get_buffer(target) is not null;

            /// <summary>The parameter of that dotted name, or null.</summary>
            public virtual Parameter? get_parameter(string target) =>
                ownParameters.TryGetValue(target, out var parameter) ? parameter : Child(ref target)?.get_parameter(target);

            /// <summary>The buffer of that dotted name, or null.</summary>
            public virtual Tensor? get_buffer(string target) =>
                ownBuffers.TryGetValue(target, out var buffer) ? buffer.Tensor : Child(ref target)?.get_buffer(target);

            private Module? Child(ref string target)
            {
                int dot = target.IndexOf('.');
                if (dot < 0 || !submodules.TryGetValue(target[..dot], out var child))
                    return null;
                target = target[(dot + 1)..];
                return child;
            }

            public virtual string GetName() => string.IsNullOrEmpty(name) ? GetType().Name : name;

            /// <summary>Calls the function for all modules below this one, the innermost first, and then for this one.</summary>
            public virtual Module apply(Action<Module> fn)
            {
                foreach (var (_, module) in submodules)
                    module.apply(fn);
                fn(this);
                return this;
            }

            // --- modes ---------------------------------------------------------------------------

            /// <summary>Whether dropout drops and batch normalization takes the statistics of the batch.</summary>
            public virtual bool training => inTraining;

            public virtual void train(bool train = true)
            {
                inTraining = train;
                foreach (var (_, module) in submodules)
                    module.train(train);
            }

            public virtual void eval() => train(false);

            /// <summary>Forgets the gradients of all parameters, or with <paramref name="set_to_none"/> false, sets them to zero.</summary>
            public virtual void zero_grad(bool set_to_none = true)
            {
                foreach (var (_, parameter) in named_parameters())
                {
                    if (set_to_none)
                        parameter.grad = null;
                    else
                    {
                        using var grad = parameter.grad;
                        grad?.zero_();
                    }
                }
            }

            // --- state ---------------------------------------------------------------------------

            /// <summary>
            /// All parameters, then all persistent buffers, by their dotted names; not copies. A parameter with several names is
            /// there under each.
            /// </summary>
            public virtual Dictionary<string, Tensor> state_dict(Dictionary<string, Tensor>? destination = null, string? prefix = null)
            {
                destination ??= [];
                var before = string.IsNullOrEmpty(prefix) ? "" : prefix + ".";
                foreach (var (name, parameter) in named_parameters())
                    destination.TryAdd(before + name, parameter);
                foreach (var (name, buffer) in named_buffers(true, false))
                    destination.TryAdd(before + name, buffer);
                foreach (var (name, module) in named_children())
                    module.state_dict(destination, before + name);
                return destination;
            }

            /// <summary>Copies the tensors of a state dict into the module's own, converting type and device.</summary>
            /// <exception cref="InvalidOperationException">
            /// <paramref name="strict"/> and keys are missing or unexpected; or a shape differs.
            /// </exception>
            public virtual (IList<string> missing_keys, IList<string> unexpected_keyes) load_state_dict(Dictionary<string, Tensor> source, bool strict = true, IList<string>? skip = null)
            {
                var skipped = skip?.ToHashSet() ?? [];
                var target = state_dict();
                var missing = target.Keys.Where(key => !source.ContainsKey(key) && !skipped.Contains(key)).ToList();
                var unexpected = source.Keys.Where(key => !target.ContainsKey(key) && !skipped.Contains(key)).ToList();
                if (strict && (missing.Count > 0 || unexpected.Count > 0))
                    throw new InvalidOperationException($"the state dict does not fit {GetName()}: {Listing("missing", missing, "; ")}{Listing("unexpected", unexpected, "")}");

                var common = source.Where(pair => target.ContainsKey(pair.Key) && !skipped.Contains(pair.Key)).ToList();
                foreach (var (key, tensor) in common)
                    if (!tensor.shape.AsSpan().SequenceEqual(target[key].shape))
                        throw new InvalidOperationException($"the state dict does not fit {GetName()}: '{key}' has shape {Shape(tensor.shape)}, expected {Shape(target[key].shape)}");

                using (no_grad())
                    foreach (var (key, tensor) in common)
                        target[key].copy_(tensor);
                return (missing, unexpected);
            }

            private static string Shape(long[] shape) => $"({string.Join(", ", shape)})";

            private static string Listing(string what, List<string> keys, string end) =>
                keys.Count == 0 ? "" : $"{keys.Count} {what}: {string.Join(", ", keys.Take(10))}{(keys.Count > 10 ? ", ..." : "")}{end}";

            /// <summary>Writes the state dict in TorchSharp's own format.</summary>
            public Module save(string location, IList<string>? skip = null)
            {
                using var stream = File.Create(location);
                return save(stream, skip);
            }

            /// <inheritdoc cref="save(string, IList{string}?)"/>
            public Module save(Stream stream, IList<string>? skip = null)
            {
                using var writer = new BinaryWriter(stream);
                return save(writer, skip);
            }

            /// <inheritdoc cref="save(string, IList{string}?)"/>
            public Module save(BinaryWriter writer, IList<string>? skip = null)
            {
                save_state_dict(writer, state_dict(), skip);
                return this;
            }

            /// <summary>Writes a state dict in TorchSharp's own format: the number of entries, then name and tensor of each.</summary>
            public static void save_state_dict(BinaryWriter writer, Dictionary<string, Tensor> sd, IList<string>? skip = null)
            {
                var entries = sd.Where(pair => skip is null || !skip.Contains(pair.Key)).ToList();
                writer.Write7BitEncodedInt64(entries.Count);
                foreach (var (key, tensor) in entries)
                {
                    writer.Write(key);
                    tensor.Save(writer);
                }
            }

            /// <summary>Reads parameters and buffers that <see cref="save(string, IList{string}?)"/> has written.</summary>
            /// <param name="strict">Whether the file must hold exactly the keys of this module.</param>
            /// <param name="skip">Keys that are read over.</param>
            /// <param name="loadedParameters">Receives each key of the file, and whether the module has it.</param>
            public virtual Module load(string location, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
            {
                if (!File.Exists(location))
                    throw new FileNotFoundException($"there is no file '{location}' to load {GetName()} from", location);
                using var stream = File.OpenRead(location);
                return load(stream, strict, skip, loadedParameters);
            }

            /// <inheritdoc cref="load(string, bool, IList{string}?, Dictionary{string, bool}?)"/>
            public Module load(Stream stream, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
            {
                using var reader = new BinaryReader(stream);
                return load(reader, strict, skip, loadedParameters);
            }

            /// <inheritdoc cref="load(string, bool, IList{string}?, Dictionary{string, bool}?)"/>
            public virtual Module load(BinaryReader reader, bool strict = true, IList<string>? skip = null, Dictionary<string, bool>? loadedParameters = null)
            {
                var target = state_dict();
                long count = reader.Read7BitEncodedInt64();
                if (strict && count != target.Count)
                    throw new ArgumentException($"{GetName()} has {target.Count} tensors in its state dict, the file has {count}");
                for (long i = 0; i < count; i++)
                {
                    var key = reader.ReadString();
                    bool found = target.TryGetValue(key, out var tensor);
                    if (!found && strict)
                        throw new ArgumentException($"{GetName()} has no '{key}', which is in the file");
                    Read(found && skip?.Contains(key) != true ? tensor : null, reader, key);
                    loadedParameters?.Add(key, found);
                }
                return this;
            }

            // Null reads over it.
            private void Read(Tensor? tensor, BinaryReader reader, string key)
            {
                var (type, shape) = TensorStream.ReadHeader(reader);
                if (tensor is not null && (tensor.dtype != type || !shape.AsSpan().SequenceEqual(tensor.shape)))
                    throw new ArgumentException($"{GetName()}: '{key}' is {tensor.dtype} of shape {Shape(tensor.shape)}, in the file {type} of shape {Shape(shape)}");
                TensorStream.ReadElements(tensor!, type, shape, reader, skip: tensor is null);
            }

            /// <summary>Makes a module and loads its state from a file.</summary>
            public static Module Create<T>(string path) where T : Module, new() => new T().load(path);

            // --- type and device -----------------------------------------------------------------

            // The tensors keep their identity: an optimizer or a tied weight that holds them stays right.
            protected internal virtual Module _to(Device device, ScalarType dtype, bool non_blocking) => Converted(dtype, device, non_blocking);
            protected internal virtual Module _to(DeviceType deviceType, int deviceIndex, bool non_blocking) => Converted(null, new Device(deviceType, deviceIndex), non_blocking);
            protected internal virtual Module _to(ScalarType dtype, bool non_blocking) => Converted(dtype, null, non_blocking);

            public Module _to(Tensor other, bool non_blocking) => _to(other.device, other.dtype, non_blocking);

            private Module Converted(ScalarType? dtype, Device? device, bool non_blocking)
            {
                if (dtype is { } type && !is_floating_point(type) && !is_complex(type))
                    throw new ArgumentException($"a module is moved to floating or complex types only, not to {type}");
                if (device is not null)
                    InitializeDeviceType(device.type);
                _toEpilog(dtype, device, non_blocking);
                return this;
            }

            /// <summary>Moves the modules below this one, and then its own parameters and buffers.</summary>
            protected virtual void _toEpilog(ScalarType? dtype, Device? device, bool non_blocking)
            {
                foreach (var (_, module) in submodules)
                {
                    if (device is null)
                        module._to(dtype!.Value, non_blocking);
                    else if (dtype is { } type)
                        module._to(device, type, non_blocking);
                    else
                        module._to(device.type, device.index, non_blocking);
                }
                foreach (var (_, parameter) in ownParameters)
                    parameter.Move(dtype, device, non_blocking);
                foreach (var (_, (buffer, _)) in ownBuffers)
                    buffer.Move(dtype, device, non_blocking);
            }

            /// <summary>The type and device for new parameters: what is given, else the defaults.</summary>
            protected static (Device device, ScalarType dtype) GetDefaultDeviceAndType(Device? device = null, ScalarType? dtype = null) =>
                (device ?? get_default_device(), dtype ?? get_default_dtype());

            // --- the end -------------------------------------------------------------------------

            /// <summary>Disposes all parameters and buffers of this module and of those below it.</summary>
            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            protected virtual void Dispose(bool disposing)
            {
                if (!disposing)
                    return;
                foreach (var (_, parameter) in ownParameters)
                    parameter.Dispose();
                foreach (var (_, (buffer, _)) in ownBuffers)
                    buffer.Dispose();
                foreach (var (_, module) in submodules)
                    module.Dispose();
            }
        }

        /// <summary>The fields of each type of module that can hold a component.</summary>
        private static class ComponentFields
        {
            private static readonly ConcurrentDictionary<Type, (FieldInfo Field, string Name)[]> ofType = new();

            internal static (FieldInfo Field, string Name)[] Of(Type type) => ofType.GetOrAdd(type, Find);

            [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "a field that a kept constructor assigns is kept")]
            [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "a field that a kept constructor assigns is kept")]
            private static (FieldInfo, string)[] Find(Type type)
            {
                var found = new List<(FieldInfo, string)>();
                var names = new HashSet<string>();
                for (var level = type; level is not null && level != typeof(Module); level = level.BaseType)
                    foreach (var field in level.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance))
                        if (names.Add(field.Name) && !field.FieldType.IsValueType && field.FieldType != typeof(string))
                            found.Add((field, field.GetCustomAttribute<ComponentNameAttribute>()?.Name ?? field.Name));
                return [.. found];
            }
        }
    }
}
