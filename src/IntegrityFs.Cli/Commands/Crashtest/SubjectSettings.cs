using System.CommandLine;
using IntegrityFs.CrashTesting;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Options that several commands have: the volume under test, how states are chosen, seed and threads.</summary>
internal sealed class SubjectSettings
{
    private readonly Option<string> _data = new("--data") { Description = "Data mode of the volume: journal, auto or both", HelpName = "MODE", DefaultValueFactory = _ => "both" };
    private readonly Option<string?> _size = new("--size") { Description = "Size of the volume (4M)", HelpName = "SIZE" };
    private readonly Option<string?> _journal = new("--journal-size") { Description = "Size of its journal (2M)", HelpName = "SIZE" };
    private readonly Option<int> _block = new("--block-size") { Description = "Block size", HelpName = "BYTES", DefaultValueFactory = _ => 4096 };
    private readonly Option<string> _profile = new("--profile") { Description = "States: quick, standard, thorough, exhaustive, prefix, sampled, garbage", HelpName = "NAME", DefaultValueFactory = _ => "standard" };
    private readonly Option<ulong> _seed = new("--seed") { Description = "Seed of all choices", HelpName = "N", DefaultValueFactory = _ => 1 };
    private readonly Option<int> _jobs = new("--jobs", "-j") { Description = "Threads", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _data, _size, _journal, _block, _profile, _seed, _jobs })
        {
            command.Add(option);
        }
    }

    public ulong Seed(ParseResult parsed) => parsed.GetValue(_seed);

    public int Jobs(ParseResult parsed) => Math.Clamp(parsed.GetValue(_jobs), 1, 1024);

    public CrashProfile Profile(ParseResult parsed)
    {
        string name = parsed.GetRequiredValue(_profile);
        return CrashProfile.Named.TryGetValue(name, out CrashProfile? profile)
            ? profile
            : throw new CommandFailure(Cause.Usage, $"'{name}' is no profile: {string.Join(", ", CrashProfile.Named.Keys)}");
    }

    /// <summary>The volumes under test: one for each data mode asked for.</summary>
    public IReadOnlyList<ICrashSubject> Subjects(ParseResult parsed)
    {
        DataMode[] modes = parsed.GetRequiredValue(_data) switch
        {
            "journal" => [DataMode.Journal],
            "auto" => [DataMode.Auto],
            "both" => [DataMode.Journal, DataMode.Auto],
            var other => throw new CommandFailure(Cause.Usage, $"'{other}' is no data mode: journal, auto, both"),
        };
        var usual = new SubjectOptions();
        SubjectOptions options = usual with
        {
            DeviceLength = parsed.GetValue(_size) is { } size ? SizeText.Parse("--size", size) : usual.DeviceLength,
            JournalBytes = parsed.GetValue(_journal) is { } journal ? SizeText.Parse("--journal-size", journal) : usual.JournalBytes,
            BlockSize = parsed.GetValue(_block),
        };
        return [.. modes.Select(mode => new IntegrityFsSubject(options with { DataMode = mode }))];
    }
}
