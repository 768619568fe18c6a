using System.Text.Encodings.Web;
using System.Text.Json;

namespace Attention.Data.Text;

/// <summary>Writes a tokenizer's JSON file: whole or not at all.</summary>
internal static class TokenizerFile
{
    public static void Write(string path, Action<Utf8JsonWriter> write)
    {
        var temporary = path + ".tmp";
        try
        {
            using (var stream = File.Create(temporary))
            using (var json = new Utf8JsonWriter(stream, new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
                write(json);
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
