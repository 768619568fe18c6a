using System.Text.Json;

namespace Attention.Data.Samples;

/// <summary>Writes COCO's annotation files (Lin et al. 2014; cocodataset.org, "Data format").</summary>
internal static class CocoFile
{
    /// <summary>Every object with its mask.</summary>
    public static void WriteInstances(string path, IReadOnlyList<SceneRecord> scenes) => Write(path, scenes, people: false);

    /// <summary>The people alone, with keypoints.</summary>
    public static void WriteKeypoints(string path, IReadOnlyList<SceneRecord> scenes) => Write(path, scenes, people: true);

    private static void Write(string path, IReadOnlyList<SceneRecord> scenes, bool people)
    {
        using var stream = File.Create(path);
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteStartObject("info");
        json.WriteString("description", people ? "Rendered scenes, people with keypoints" : "Rendered scenes, instances");
        json.WriteEndObject();

        json.WriteStartArray("images");
        foreach (var scene in scenes)
        {
            json.WriteStartObject();
            json.WriteNumber("id", scene.Id);
            json.WriteString("file_name", scene.File);
            json.WriteNumber("width", scene.Width);
            json.WriteNumber("height", scene.Height);
            json.WriteEndObject();
        }
        json.WriteEndArray();

        // An object keeps its id in both files.
        int id = 0;
        json.WriteStartArray("annotations");
        foreach (var scene in scenes)
            foreach (var annotation in scene.Annotations)
            {
                id++;
                if (!people || annotation.Keypoints is not null)
                    WriteAnnotation(json, id, scene.Id, annotation, people);
            }
        json.WriteEndArray();

        json.WriteStartArray("categories");
        for (int category = 1; category <= ScenesDataset.Categories.Count; category++)
        {
            bool person = category == Scene.PersonCategory;
            if (people && !person)
                continue;
            json.WriteStartObject();
            json.WriteNumber("id", category);
            json.WriteString("name", ScenesDataset.Categories[category - 1]);
            json.WriteString("supercategory", person ? "person" : "shape");
            if (people)
            {
                json.WriteStartArray("keypoints");
                foreach (string name in KeypointNames.Person)
                    json.WriteStringValue(name);
                json.WriteEndArray();
                json.WriteStartArray("skeleton");
                foreach (int[] line in KeypointNames.PersonLines)
                    WriteNumbers(json, line);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteAnnotation(Utf8JsonWriter json, int id, int image, SceneAnnotation annotation, bool people)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteNumber("image_id", image);
        json.WriteNumber("category_id", annotation.Category);
        json.WriteStartArray("segmentation");
        foreach (int[] polygon in annotation.Polygons)
            WriteNumbers(json, polygon);
        json.WriteEndArray();
        json.WriteNumber("area", annotation.Area);
        json.WritePropertyName("bbox");
        WriteNumbers(json, annotation.Box);
        json.WriteNumber("iscrowd", 0);
        if (people)
        {
            json.WritePropertyName("keypoints");
            WriteNumbers(json, annotation.Keypoints!);
            json.WriteNumber("num_keypoints", annotation.Keypoints!.Where((_, i) => i % 3 == 2).Count(visibility => visibility > 0));
        }
        json.WriteEndObject();
    }

    private static void WriteNumbers(Utf8JsonWriter json, int[] numbers)
    {
        json.WriteStartArray();
        foreach (int number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}
