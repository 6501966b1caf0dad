namespace IntegrityFs.CrashTesting;

/// <summary>A tool that writes, what it starts from, and what a crash of it may leave.</summary>
/// <param name="Name">For reports.</param>
/// <param name="Before">The device that it is started on. Not to be changed.</param>
/// <param name="Run">The tool. It throws where the device fails.</param>
/// <param name="Judge">Judges an image; the flag says that the tool had ended and all its writes arrived. Null is fine.</param>
internal sealed record ToolCase(string Name, PageImage Before, Action<Device.IDevice> Run, Func<PageImage, bool, string?> Judge);

/// <summary>Counts of one tool.</summary>
/// <param name="Tool">Its name.</param>
/// <param name="Writes">Writes that it made.</param>
/// <param name="Points">Crash points.</param>
/// <param name="States">Crash states and faulty runs judged.</param>
/// <param name="Failures">Broken promises.</param>
public sealed record ToolResult(string Tool, int Writes, int Points, long States, IReadOnlyList<string> Failures);
