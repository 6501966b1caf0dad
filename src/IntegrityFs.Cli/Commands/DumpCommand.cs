using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using IntegrityFs.Catalog;
using IntegrityFs.Format;
using IntegrityFs.Integrity;
using IntegrityFs.Journal;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Commands;

/// <summary>Shows structures of a volume, verified, without writing anything.</summary>
internal static class DumpCommand
{
    private const int BytesInLine = 16;

    public static Command Build()
    {
        var keys = new KeyOptions();
        Option<bool> json = SharedOptions.Json();
        var what = SharedOptions.Checked(new Argument<string>("WHAT") { Description = "superblock, journal, block, inode or path" });
        what.CompletionSources.Add("superblock", "journal", "block", "inode", "path");
        var rest = new Argument<string[]>("[NUMBER_OR_PATH] IMAGE_OR_DEVICE") { Arity = new ArgumentArity(1, 2) };
        var command = new Command("dump", "Show structures of a volume") { what, rest, json };
        keys.AddTo(command);
        command.SetAction(parsed =>
        {
            string[] words = parsed.GetRequiredValue(rest);
            string text = Dump(parsed.GetRequiredValue(what), words, keys.Get(parsed));
            Console.Out.Write(parsed.GetValue(json) ? text : JsonText.ForPeople(text));
            return 0;
        });
        return command;
    }

    private static string Dump(string what, string[] words, KeySource key)
    {
        bool needsName = what is "block" or "inode" or "path";
        if (words.Length != (needsName ? 2 : 1))
        {
            throw new CommandFailure(Cause.Usage, needsName ? $"dump {what} NUMBER_OR_PATH IMAGE_OR_DEVICE" : $"dump {what} IMAGE_OR_DEVICE");
        }

        UnlockedDevice unlocked = UnlockedDevice.Open(words[^1], key, readOnly: true);
        if (what == "journal")
        {
            using (unlocked)
            {
                return Journal(unlocked);
            }
        }

        using OpenVolume open = OpenVolume.Open(unlocked, new VolumeOptions { ReadOnly = true, CacheBytes = 16 << 20 });
        return what switch
        {
            "superblock" => Superblock(open),
            "block" => Block(open, Number(words[0])),
            "inode" => InodeDump.Describe(open, Number(words[0])),
            "path" => InodeDump.Describe(open, words[0]),
            _ => throw new CommandFailure(Cause.Usage, $"'{what}' is none of superblock, journal, block, inode, path"),
        };
    }

    private static long Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : throw new CommandFailure(Cause.Usage, $"'{text}' is not a number");

    private static string Superblock(OpenVolume open) => JsonText.Object(json =>
    {
        Superblock superblock = open.Volume.Superblock;
        VolumeGeometry geometry = open.Volume.Geometry;
        json.WriteBoolean("authenticated", true);
        json.WriteString("uuid", superblock.Uuid);
        json.WriteString("label", superblock.Label);
        json.WriteNumber("version", Format.Superblock.CurrentVersion);
        json.WriteString("tagAlgorithm", "HMAC-SHA-256, 192 bits");
        json.WriteNumber("blockSize", superblock.BlockSize);
        json.WriteNumber("deviceLength", superblock.DeviceLength);
        json.WriteNumber("protectedBlocks", geometry.TotalBlocks);
        json.WriteNumber("freeBlocks", open.Volume.FreeBlocks);
        json.WriteNumber("journalBlocks", geometry.JournalBlocks);
        json.WriteNumber("tagTreeLevels", geometry.Levels);
        json.WriteNumber("tagTreeFanout", geometry.Fanout);
        json.WriteBoolean("clean", superblock.State.HasFlag(VolumeState.Clean));
        json.WriteNumber("generation", superblock.Generation);
        json.WriteNumber("nextSequence", superblock.NextSequence);
        json.WriteNumber("journalTail", superblock.Tail);
        json.WriteNumber("rootVersion", superblock.Root.Version);
        json.WriteString("created", JsonText.Time(superblock.Created));
        json.WriteString("written", JsonText.Time(superblock.Written));
        json.WriteNumber("mountCount", superblock.MountCount);
        json.WriteNumber("recoveryCount", superblock.RecoveryCount);
        json.WriteNumber("mismatchCount", superblock.MismatchCount);
        json.WriteString("freshness", "not anchored");
    });

    /// <summary>The transactions from the tail on, as a recovery would find them.</summary>
    private static string Journal(UnlockedDevice unlocked)
    {
        Superblock superblock = unlocked.Header.Superblock;
        VolumeGeometry geometry = VolumeGeometry.Create(superblock.BlockSize, superblock.DeviceLength, superblock.JournalBlocks);
        using var keys = new SubKeys(unlocked.Key.Bytes, superblock.Uuid);
        using var authenticators = new AuthenticatorPool(keys);
        var scanner = new JournalScanner(unlocked.Device, geometry, authenticators);
        JournalScanResult result = scanner.Scan(superblock.Tail, superblock.NextSequence, superblock.Chain.Span, superblock.State.HasFlag(VolumeState.Clean));
        return JsonText.Object(json =>
        {
            json.WriteBoolean("clean", superblock.State.HasFlag(VolumeState.Clean));
            json.WriteNumber("blocks", geometry.JournalBlocks);
            json.WriteNumber("tail", superblock.Tail);
            json.WriteNumber("end", result.End);
            json.WriteBoolean("tornTail", result.Torn is not null);
            if (result.GapAt is { } gap)
            {
                json.WriteNumber("gapAt", gap);
            }

            json.WriteStartArray("transactions");
            foreach (JournalTransaction transaction in result.Transactions)
            {
                json.WriteStartObject();
                json.WriteNumber("sequence", transaction.Sequence);
                json.WriteNumber("position", transaction.Position);
                json.WriteNumber("images", transaction.Images);
                json.WriteNumber("inPlace", transaction.Entries.Count(e => e.Kind == JournalEntryKind.InPlace));
                json.WriteNumber("freedRuns", transaction.Entries.Count(e => e.Kind == JournalEntryKind.Freed));
                json.WriteNumber("badImages", transaction.BadImages.Count);
                json.WriteString("decision", transaction.Decision.ToString());
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    private static string Block(OpenVolume open, long number)
    {
        ProtectedVolume volume = open.Volume;
        if (number >= volume.TotalBlocks)
        {
            throw new CommandFailure(Cause.Usage, $"the volume has {volume.TotalBlocks} blocks");
        }

        var block = new BlockNumber(number);
        using ReadScope scope = volume.EnterRead();
        bool allocated = volume.IsAllocated(block);
        Exception? failure = null;
        if (allocated)
        {
            // The purpose is bound into the tag and stands nowhere else: the one that verifies is it.
            ReadOnlySpan<BlockPurpose> candidates = [BlockPurpose.Data, BlockPurpose.CatalogNode, BlockPurpose.Bitmap, BlockPurpose.State];
            foreach (BlockPurpose purpose in candidates)
            {
                try
                {
                    using BlockLease lease = volume.Read(block, purpose);
                    string content = Hexadecimal(lease.Span);
                    return Block(volume, number, allocated, purpose.ToString(), content);
                }
                catch (Exception e) when (e is IntegrityException or CorruptFormatException)
                {
                    failure = e;
                }
            }

            throw failure!;
        }

        return Block(volume, number, allocated, "none", null);
    }

    private static string Block(ProtectedVolume volume, long number, bool allocated, string purpose, string? content) => JsonText.Object(json =>
    {
        json.WriteNumber("block", number);
        json.WriteNumber("deviceOffset", volume.Geometry.BlockOffset(number));
        json.WriteBoolean("allocated", allocated);
        json.WriteBoolean("verified", content is not null);
        json.WriteString("purpose", purpose);
        if (content is not null)
        {
            json.WriteStartArray("content");
            foreach (string line in content.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                json.WriteStringValue(line);
            }

            json.WriteEndArray();
        }
    });

    /// <summary>Lines of 16 bytes with offset, hexadecimal and characters; lines of zeros are left out.</summary>
    internal static string Hexadecimal(ReadOnlySpan<byte> content)
    {
        var text = new StringBuilder();
        for (int offset = 0; offset < content.Length; offset += BytesInLine)
        {
            ReadOnlySpan<byte> line = content.Slice(offset, Math.Min(BytesInLine, content.Length - offset));
            if (!line.ContainsAnyExcept((byte)0))
            {
                continue;
            }

            text.Append(CultureInfo.InvariantCulture, $"{offset:x5} ");
            foreach (byte b in line)
            {
                text.Append(CultureInfo.InvariantCulture, $" {b:x2}");
            }

            text.Append("  ");
            foreach (byte b in line)
            {
                text.Append(b is >= 0x20 and < 0x7f ? (char)b : '.');
            }

            text.Append('\n');
        }

        return text.ToString();
    }
}
