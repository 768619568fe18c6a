using System.Text.Json;

namespace Attention.Data.Text;

/// <summary>Reads <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c>, <c>added_tokens.json</c> and the chat template's own file.</summary>
internal static class SettingsFiles
{
    /// <exception cref="UserError">A file is there but broken.</exception>
    public static TokenizerSettings Load(string folder)
    {
        JsonPart? Part(string name) => Path.Combine(folder, name) is var path && File.Exists(path) ? JsonPart.Load(path) : null;
        var roles = new Dictionary<string, string>();
        foreach (var part in new[] { Part("special_tokens_map.json"), Part("tokenizer_config.json") })
            foreach (var (key, value) in part?.Entries() ?? [])
                if (key.EndsWith("_token", StringComparison.Ordinal) && Content(value) is { } content)
                    roles[key] = content;
        var settings = TokenizerSettings.Empty with { Roles = roles };
        if (Part("added_tokens.json") is { } added)
            settings = settings with { AddedTokens = [.. added.Entries().Select(entry => new AddedToken(entry.Part.Id(), entry.Key, IsSpecial: roles.ContainsValue(entry.Key)))] };
        if (Part("tokenizer_config.json") is { } config)
            settings = WithConfig(settings, config);
        var template = Path.Combine(folder, "chat_template.jinja");
        return File.Exists(template) ? settings with { ChatTemplate = File.ReadAllText(template) } : settings;
    }

    private static TokenizerSettings WithConfig(TokenizerSettings settings, JsonPart config)
    {
        var listed = config.Find("added_tokens_decoder")?.Entries().Select(entry => new AddedToken(
            int.TryParse(entry.Key, out int id) && id is >= 0 and < Tokenizers.MostTokens ? id : throw entry.Part.Wrong("is under a key that is no id"),
            entry.Part.Text("content"), entry.Part.Flag("special"), entry.Part.Flag("single_word"),
            entry.Part.Flag("lstrip"), entry.Part.Flag("rstrip"), entry.Part.Flag("normalized"))).ToList();
        var templates = config.Find("chat_template") is { Value.ValueKind: JsonValueKind.Array } many
            ? many.Items().ToDictionary(each => each.Text("name"), each => each.Text("template")) : [];
        return settings with
        {
            ChatTemplate = config.FindText("chat_template") ?? templates.GetValueOrDefault("default"),
            NamedChatTemplates = templates.Where(each => each.Key != "default").ToDictionary(),
            AddBos = config.Find("add_bos_token") is null ? null : config.Flag("add_bos_token"),
            AddEos = config.Find("add_eos_token") is null ? null : config.Flag("add_eos_token"),
            LowerCase = config.Flag("do_lower_case", true),
            AddedTokens = listed ?? settings.AddedTokens,
        };
    }

    /// <summary>A token written as text, or as a map with its content.</summary>
    private static string? Content(JsonPart value) => value.Value.ValueKind switch
    {
        JsonValueKind.String => value.Text(),
        JsonValueKind.Object => value.FindText("content"),
        _ => null,
    };
}
