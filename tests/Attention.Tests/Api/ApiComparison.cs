namespace Attention.Tests.Api;

/// <summary>Our part of the TorchSharp API beside the official list, both as lines.</summary>
public sealed class ApiComparison
{
    private readonly IReadOnlyCollection<string> official;
    private readonly IReadOnlyCollection<string> ours;
    private readonly HashSet<string> officialSet;
    private readonly HashSet<string> ourSet;
    private readonly ILookup<(string Type, string Member), string> officialByName;
    private readonly ILookup<string, string> officialMembers;

    public ApiComparison(IReadOnlyCollection<string> official, IReadOnlyCollection<string> ours)
    {
        (this.official, this.ours) = (official, ours);
        (officialSet, ourSet) = ([.. official], [.. ours]);
        officialByName = official.ToLookup(line => (ApiList.TypeOf(line), ApiList.MemberOf(line)));
        officialMembers = official.Where(line => !ApiList.IsTypeLine(line)).ToLookup(ApiList.TypeOf);
    }

    /// <summary>One line for each difference. A missing member is one only where a derived type would have to supply it.</summary>
    public IEnumerable<string> Deviations()
    {
        foreach (var line in ours.Order(StringComparer.Ordinal))
        {
            var (type, member) = (ApiList.TypeOf(line), ApiList.MemberOf(line));
            if (officialSet.Contains(line) || !ApiList.IsTypeLine(line) && !officialByName.Contains((type, "")))
                continue;
            var candidates = officialByName[(type, member)].ToList();
            if (candidates.Count == 0)
                yield return $"not official: {line}";
            else if (!ApiList.IsTypeLine(line))
                yield return $"differs: {line}\n      from: {Nearest(line, candidates)}";
            else if (TypeDifference(line, candidates[0]) is { } difference)
                yield return $"differs: {line}\n      from: {candidates[0]} ({difference})";
        }

        foreach (var type in ours.Where(ApiList.IsTypeLine))
        {
            var isInterface = ApiList.Modifiers(type).EndsWith("interface", StringComparison.Ordinal);
            foreach (var line in officialMembers[ApiList.TypeOf(type)])
            {
                if (!ourSet.Contains(line) && (isInterface || ApiList.Modifiers(line).Contains(" abstract ")))
                    yield return $"missing, though derived types must supply it: {line}";
            }
        }
    }

    /// <summary>How much of each of our types is there.</summary>
    public IEnumerable<string> Coverage()
    {
        var types = ours.Where(ApiList.IsTypeLine).Select(ApiList.TypeOf).Order(StringComparer.Ordinal).ToList();
        yield return $"{types.Count} of {official.Count(ApiList.IsTypeLine)} official types, {ours.Count(officialSet.Contains)} of {official.Count} official lines";
        foreach (var type in types)
        {
            var members = officialMembers[type].ToList();
            var lacking = members.Count(line => !ourSet.Contains(line));
            if (lacking > 0)
                yield return $"{type}: {members.Count - lacking} of {members.Count} members";
        }
    }

    // Fewer interfaces are fine: what is lacking cannot be used.
    private static string? TypeDifference(string line, string officialLine)
    {
        var (mine, theirs) = (Bases(line), Bases(officialLine));
        if (ApiList.Modifiers(line) != ApiList.Modifiers(officialLine))
            return "another kind of type";
        if (Constraints(line) != Constraints(officialLine))
            return "other constraints";
        var extra = mine.Except(theirs).ToList();
        return extra.Count > 0 ? $"not official: {string.Join(", ", extra)}" : null;
    }

    private static string Head(string line) => line[..line.LastIndexOf(" | ", StringComparison.Ordinal)];

    private static string Constraints(string line)
    {
        var at = Head(line).IndexOf(" where ", StringComparison.Ordinal);
        return at < 0 ? "" : Head(line)[at..];
    }

    private static List<string> Bases(string line)
    {
        var head = Head(line)[..^Constraints(line).Length];
        var at = head.IndexOf(" : ", StringComparison.Ordinal);
        return at < 0 ? [] : TypeReader.List(head[(at + 3)..], new GenericNames("", "")).Select(type => type.Text).ToList();
    }

    /// <summary>The official overload that shares the longest beginning and end with the line.</summary>
    private static string Nearest(string line, List<string> candidates)
    {
        static int Shared(IEnumerable<char> a, IEnumerable<char> b) => a.Zip(b).TakeWhile(pair => pair.First == pair.Second).Count();
        return candidates.MaxBy(other => Shared(line, other) + Shared(line.Reverse(), other.Reverse()))!;
    }
}
