using System.ComponentModel;
using System.Diagnostics;
using Attention.Data;

namespace Attention.Engine.Evaluation;

/// <summary>The frames of a video as image files in a temporary folder, and pictures back into a video, by the program ffmpeg.</summary>
public sealed class VideoFrames : IDisposable
{
    private static readonly string[] endings = [".mp4", ".mov", ".mkv", ".webm", ".avi"];
    private readonly string folder = Directory.CreateTempSubdirectory("attention-video-").FullName;
    private readonly string rate;

    /// <param name="video">The file.</param>
    /// <param name="cancellation">Ends the decoding.</param>
    /// <exception cref="UserError">There is no ffmpeg, or it cannot read the file.</exception>
    public VideoFrames(string video, CancellationToken cancellation = default)
    {
        try
        {
            rate = Run("ffprobe", video, cancellation, "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=r_frame_rate", "-of", "csv=p=0", FileOf(video)).Trim().TrimEnd(',');
            Run("ffmpeg", video, cancellation, "-v", "error", "-i", FileOf(video), "-map", "0:v:0", "-q:v", "2", Path.Combine(folder, Pattern));
            Images = new UnlabelledImages(folder);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The frames in order.</summary>
    public UnlabelledImages Images { get; }

    /// <summary>Names of frames count from 1.</summary>
    public static string Pattern => "%06d.jpg";

    /// <summary>Whether a file is a video, by its ending.</summary>
    public static bool IsVideo(string path) => endings.Contains(Path.GetExtension(path).ToLowerInvariant());

    /// <summary>Makes a video of pictures <c>000001.jpg</c> and so on, at the speed of this one.</summary>
    /// <param name="pictures">Their folder.</param>
    /// <param name="video">The file to write; an older one is replaced once the new one is whole.</param>
    /// <param name="cancellation">Ends it.</param>
    public void Assemble(string pictures, string video, CancellationToken cancellation = default)
    {
        // Beside the video, since a rename between two disks is a copy.
        var partial = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(video))!, $".partial-{Guid.NewGuid():N}{Path.GetExtension(video)}");
        Run("ffmpeg", video, cancellation, "-v", "error", "-y", "-framerate", rate, "-i", FileOf(Path.Combine(pictures, Pattern)), "-pix_fmt", "yuv420p", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", partial);
        File.Move(partial, video, overwrite: true);
    }

    // A name that looks like a protocol or an option must be read as a file.
    private static string FileOf(string path) => "file:" + Path.GetFullPath(path);

    private static string Run(string program, string video, CancellationToken cancellation, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            using var _ = cancellation.Register(() => process.Kill(entireProcessTree: true));
            var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            cancellation.ThrowIfCancellationRequested();
            return process.ExitCode == 0 ? output
                : throw new UserError($"{video} cannot be read or written as a video: {error.Result.Trim().Split('\n')[0]}", "check the file with: ffmpeg -i FILE");
        }
        catch (Win32Exception e)
        {
            throw new UserError($"videos need the program {program}, which is not there", "install ffmpeg, or give a folder of images", e);
        }
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
