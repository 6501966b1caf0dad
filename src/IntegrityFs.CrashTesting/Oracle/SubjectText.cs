using System.Globalization;
using IntegrityFs.Volume;

namespace IntegrityFs.CrashTesting;

/// <summary>A subject's options as words of the command line; what is the default is left out.</summary>
internal static class SubjectText
{
    public static IEnumerable<string> Words(SubjectOptions options)
    {
        var usual = new SubjectOptions();
        if (options.DataMode != usual.DataMode)
        {
            yield return "--data " + (options.DataMode == DataMode.Auto ? "auto" : "journal");
        }

        if (options.DeviceLength != usual.DeviceLength)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"--size {options.DeviceLength}");
        }

        if (options.JournalBytes != usual.JournalBytes)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"--journal-size {options.JournalBytes}");
        }

        if (options.BlockSize != usual.BlockSize)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"--block-size {options.BlockSize}");
        }
    }
}
