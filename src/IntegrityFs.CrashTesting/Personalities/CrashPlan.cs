using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>What a crash on command is to take.</summary>
public enum CrashLoss
{
    /// <summary>A random choice by the seed.</summary>
    Random,

    /// <summary>Everything that is not durable.</summary>
    All,

    /// <summary>Bytes that are not durable, and what needs them; names stay.</summary>
    Data,

    /// <summary>Names that are not durable; bytes stay.</summary>
    DirectoryOperations,

    /// <summary>Nothing: as if only the machine had been reset after everything was written.</summary>
    None,
}

/// <summary>A crash on command.</summary>
/// <param name="Loss">What to take.</param>
/// <param name="Seed">Chooses.</param>
/// <param name="Torn">The last write that stays is torn in its middle.</param>
public sealed record CrashPlan(CrashLoss Loss, ulong Seed, bool Torn)
{
    /// <summary>As one line for the control socket.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{NameOf(Loss)} {Seed} {(Torn ? "torn" : "whole")}");

    /// <summary>Reads the line; null where it is none.</summary>
    public static CrashPlan? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split(' ') is [var loss, var seed, "torn" or "whole"] && FindLoss(loss) is { } found
            && ulong.TryParse(seed, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number)
            ? new CrashPlan(found, number, text.EndsWith("torn", StringComparison.Ordinal))
            : null;
    }

    /// <summary>The word on the command line.</summary>
    public static string NameOf(CrashLoss loss) => loss switch
    {
        CrashLoss.All => "all",
        CrashLoss.Data => "data",
        CrashLoss.DirectoryOperations => "dir-ops",
        CrashLoss.None => "none",
        _ => "random",
    };

    /// <summary>The loss of this word; null where there is none.</summary>
    public static CrashLoss? FindLoss(string name)
    {
        foreach (CrashLoss loss in Enum.GetValues<CrashLoss>())
        {
            if (NameOf(loss) == name)
            {
                return loss;
            }
        }

        return null;
    }
}
