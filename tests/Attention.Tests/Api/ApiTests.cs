using System.Reflection;
using Xunit;
using Xunit.Abstractions;

namespace Attention.Tests.Api;

/// <summary>Holds both flavours together: what stands above the tensor library has to compile against the official packages too.</summary>
public class ApiTests(ITestOutputHelper output)
{
    private const string OfficialList = "torchsharp/PublicAPI-0.107.txt";

    private static bool IsTorchSharp(string? name) =>
        name == "TorchSharp" || name?.StartsWith("TorchSharp.", StringComparison.Ordinal) == true;

    /// <summary>Every member of TorchSharp that our assemblies use is an official one.</summary>
    [SkippableFact]
    public void UsesAreOfficial()
    {
        var official = ApiList.Load(SharedFiles.Require(OfficialList));
        var deviations = new List<string>();
        foreach (var path in OwnAssemblies())
        {
            var (members, types) = MemberUses.Read(path, IsTorchSharp);
            var name = Path.GetFileNameWithoutExtension(path);
            output.WriteLine($"{name}: uses {types.Count} types and {members.Count} members of TorchSharp");
            deviations.AddRange(types.Where(type => !official.HasType(type)).Select(type => $"{name} uses {type}: no such official type"));
            deviations.AddRange(members.Where(use => official.HasType(use.Type) && !official.HasMember(use.Type, use.Name, use.Signature))
                .Select(use => $"{name} uses {use}: {Instead(official.Overloads(use.Type, use.Name))}"));
        }
        Report(deviations, "uses of members that are not official");
    }

    /// <summary>Every visible member of our TorchSharp namespace has exactly the official signature.</summary>
    [SkippableFact]
    public void SignaturesAreOfficial()
    {
        Skip.If(IsNugetFlavour, "the nuget flavour is the official API itself");
        var official = ApiList.Load(SharedFiles.Require(OfficialList));
        var ours = SignatureWriter.Lines(Assembly.Load("Attention.Torch"), type => IsTorchSharp(type.Namespace)).ToList();
        Assert.NotEmpty(ours);

        var comparison = new ApiComparison(official.Lines, ours);
        foreach (var line in comparison.Coverage())
            output.WriteLine(line);
        Report(comparison.Deviations().ToList(), "members that differ from the official API");
    }

    /// <summary>What our projects use of the tensor library beyond TorchSharp exists in the other flavour's plain form as well.</summary>
    [SkippableFact]
    public void ExtensionsExistInBothFlavours()
    {
        var plainPath = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../Attention.PlainCheck", Configuration, "Attention.PlainCheck.dll"));
        Skip.If(IsNugetFlavour, "this flavour is the plain form itself");
        var extension = new ApiList(SignatureWriter.Lines(Assembly.Load("Attention.Torch"), type => !IsTorchSharp(type.Namespace)));
        var plain = new ApiList(SignatureWriter.Lines(Assembly.LoadFrom(plainPath), type => type.Namespace?.StartsWith("Attention", StringComparison.Ordinal) == true));

        var deviations = new List<string>();
        foreach (var path in OwnAssemblies())
        {
            var (members, types) = MemberUses.Read(path, extension.HasType);
            var name = Path.GetFileNameWithoutExtension(path);
            deviations.AddRange(types.Where(type => !plain.HasType(type)).Select(type => $"{name} uses {type}: the plain form has no such type"));
            deviations.AddRange(members.Where(use => plain.HasType(use.Type) && !plain.HasMember(use.Type, use.Name, use.Signature))
                .Select(use => $"{name} uses {use}: the plain form has no such member"));
        }
        Report(deviations, "uses of our extension interface that the nuget flavour lacks");
    }

    // artifacts/<flavour>/bin/<project>/<configuration>
    private static string Configuration => Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));

    private static bool IsNugetFlavour => !File.Exists(Path.Combine(AppContext.BaseDirectory, "libattention_torch.so"));

    /// <summary>What stands above the tensor library.</summary>
    private static List<string> OwnAssemblies()
    {
        var paths = Directory.GetFiles(AppContext.BaseDirectory, "*.dll")
            .Where(path => Path.GetFileNameWithoutExtension(path) is var name
                && (name == "attention" || name.StartsWith("Attention.", StringComparison.Ordinal))
                && name is not ("Attention.Torch" or "Attention.Tests"))
            .Order(StringComparer.Ordinal).ToList();
        Assert.Contains(paths, path => Path.GetFileName(path) == "Attention.Engine.dll");
        return paths;
    }

    private static string Instead(IEnumerable<string> overloads) =>
        overloads.ToList() is { Count: > 0 } lines ? "official is " + string.Join("; ", lines) : "no official member of that name";

    private static void Report(List<string> deviations, string what)
    {
        if (deviations.Count > 0)
            Assert.Fail($"{deviations.Count} {what}:\n{string.Join('\n', deviations)}");
    }
}
