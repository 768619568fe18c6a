namespace TorchSharp.Utils;

/// <summary>Gives a field of a module another name in the state dict than its own.</summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public class ComponentNameAttribute : Attribute
{
    public string Name { get; set; } = "";
}
