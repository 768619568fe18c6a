namespace Attention.Tests.Api;

/// <summary>Our part of the TorchSharp API beside the official list, both as lines.</summary>
public sealed class ApiComparison
{
    private readonly Dictionary<string, ApiLine> official;
    private readonly Dictionary<string, ApiLine> ours;
    private readonly ILookup<(string Type, string Member), string> officialByName;

    public ApiComparison(IEnumerable<string> official, IEnumerable<string> ours)
    {
        this.official = official.ToDictionary(line => line, ApiLine.Parse);
        this.ours = ours.Order(StringComparer.Ordinal).ToDictionary(line => line, ApiLine.Parse);
        officialByName = this.official.ToLookup(pair => (pair.Value.Type, pair.Value.MemberName), pair => pair.Key);
        OfficialMembers = this.official.Where(pair => !pair.Value.IsType).ToLookup(pair => pair.Value.Type, pair => pair.Key);
    }

    private ILookup<string, string> OfficialMembers { get; }

    /// <summary>One entry for each difference. A missing member is one only where a derived type would have to supply it.</summary>
    public IEnumerable<string> Deviations()
    {
        foreach (var (text, line) in ours)
        {
            if (official.ContainsKey(text) || !line.IsType && !officialByName.Contains((line.Type, "")))
                continue;
            var candidates = officialByName[(line.Type, line.MemberName)].ToList();
            if (candidates.Count == 0)
                yield return $"not official: {text}";
            else if (!line.IsType)
                yield return $"differs: {text}\n      from: {Nearest(text, candidates)}";
            else if (TypeDifference(line, official[candidates[0]]) is { } difference)
                yield return $"differs: {text}\n      from: {candidates[0]} ({difference})";
        }

        foreach (var type in ours.Values.Where(line => line.IsType))
        {
            foreach (var text in OfficialMembers[type.Path])
            {
                if (!ours.ContainsKey(text) && (type.Kind == "interface" || official[text].Modifiers.Split(' ').Contains("abstract")))
                    yield return $"missing, though derived types must supply it: {text}";
            }
        }
    }

    /// <summary>How much of each of our types is there.</summary>
    public IEnumerable<string> Coverage()
    {
        var types = ours.Values.Where(line => line.IsType).Select(line => line.Path).ToList();
        yield return $"{types.Count} of {official.Values.Count(line => line.IsType)} official types, "
            + $"{ours.Keys.Count(official.ContainsKey)} of {official.Count} official lines";
        foreach (var type in types)
        {
            var members = OfficialMembers[type].ToList();
            var present = members.Count(ours.ContainsKey);
            if (present < members.Count)
                yield return $"{type}: {present} of {members.Count} members";
        }
    }

    // Fewer interfaces are fine: what is lacking cannot be used.
    private static string? TypeDifference(ApiLine mine, ApiLine theirs)
    {
        if ((mine.Modifiers, mine.Kind, mine.Attributes) != (theirs.Modifiers, theirs.Kind, theirs.Attributes))
            return "another kind of type";
        if (Constraints(mine.Rest) != Constraints(theirs.Rest))
            return "other constraints";
        var extra = Bases(mine.Rest).Except(Bases(theirs.Rest)).ToList();
        return extra.Count > 0 ? $"not official: {string.Join(", ", extra)}" : null;
    }

    private static string Constraints(string rest) =>
        rest.IndexOf(" where ", StringComparison.Ordinal) is var at and >= 0 ? rest[at..] : "";

    private static List<string> Bases(string rest)
    {
        var bases = rest[..^Constraints(rest).Length];
        return bases.StartsWith(" : ", StringComparison.Ordinal) ? ApiLine.SplitAtCommas(bases[3..]) : [];
    }

    /// <summary>The official overload that shares the longest beginning and end with the line.</summary>
    private static string Nearest(string line, List<string> candidates)
    {
        static int Shared(IEnumerable<char> a, IEnumerable<char> b) => a.Zip(b).TakeWhile(pair => pair.First == pair.Second).Count();
        return candidates.MaxBy(other => Shared(line, other) + Shared(line.Reverse(), other.Reverse()))!;
    }
}
