// Promise: what applications need to know of a file system when the power fails, one question each, with operations that
// ask it and words for the answers.
namespace IntegrityFs.CrashTesting;

/// <summary>One question.</summary>
/// <param name="Question">In words.</param>
/// <param name="Setup">Operations whose result is durable.</param>
/// <param name="Operations">Operations that crash; a commit by time may fall between any two of them.</param>
/// <param name="Answer">Puts what is seen into words.</param>
/// <param name="Acknowledged">Only crashes after the last operation returned count.</param>
internal sealed record Litmus(string Question, string Setup, string Operations, Func<PropertyView, string> Answer, bool Acknowledged = false)
{
    /// <summary>All questions.</summary>
    public static IReadOnlyList<Litmus> All { get; } =
    [
        new("Is an overwrite of one sector atomic?", "creat f; write f 0 16384 1", "write f 512 512 2", v => v.Content("f", 1, 2, 512, 512)),
        new("Is an overwrite of one block atomic?", "creat f; write f 0 16384 1", "write f 4096 4096 2", v => v.Content("f", 1, 2, 4096, 4096)),
        new("Is an overwrite across a block boundary atomic?", "creat f; write f 0 16384 1", "write f 3000 3000 2", v => v.Content("f", 1, 2, 3000, 3000)),
        new("Is an overwrite of 64 KiB atomic?", "creat f; write f 0 65536 1", "write f 0 65536 2", v => v.Content("f", 1, 2, 0, 65536)),
        new("Is an overwrite of 1 MiB atomic?", "creat f; write f 0 1048576 1", "write f 0 1048576 2", v => v.Content("f", 1, 2, 0, 1_048_576)),
        new("Is a small append atomic?", "creat f; write f 0 3000 1", "append f 500 2", v => v.Content("f", 0, 2, 3000, 500)),
        new("Is an append of 64 KiB atomic?", "creat f; write f 0 4096 1", "append f 65536 2", v => v.Content("f", 0, 2, 4096, 65536)),
        new("Does an append ever leave a size without data?", "creat f; write f 0 4096 1", "append f 100000 2; append f 5000 2", v => v.Content("f", 0, 2, 4096, 105_000) == "MIXED" ? "yes" : "no"),
        new("Do two appends keep their order?", "creat f; write f 0 4096 1", "append f 5000 2; append f 5000 2",
            v => v.Size("f") switch { 4096 => "none", < 14096 => "the first", _ => v.Content("f", 0, 2, 4096, 10_000) == "new" ? "both" : "WRONG" }),
        new("Does an overwrite of one file come before a later append to another?", "creat a; write a 0 4096 1; creat b", "write a 0 4096 2; append b 600 3",
            v => (v.Content("a", 1, 2, 0, 4096), v.Size("b")) switch { ("old", 0) => "neither", ("new", 0) => "the first", ("new", 600) => "both", _ => "THE SECOND ONLY" }),
        new("Does a log record come before the page that it describes, without fsync between?", "creat db; write db 0 16384 1; creat log", "append log 4200 2; write db 4096 4096 2",
            v => (v.Size("log"), v.Content("db", 1, 2, 4096, 4096)) switch { ( < 4200, "old") => "neither, or a part of the record", (4200, "old") => "the record", (4200, "new") => "both", _ => "THE PAGE ONLY" }),
        new("Do creations keep their order?", "mkdir A; mkdir B", "creat A/x; creat B/y",
            v => (v.Exists("A/x"), v.Exists("B/y")) switch { (false, false) => "neither", (true, false) => "the first", (true, true) => "both", _ => "THE SECOND ONLY" }),
        new("Do a removal and a later creation keep their order?", "creat a; mkdir D", "unlink a; creat D/b",
            v => (v.Exists("a"), v.Exists("D/b")) switch { (true, false) => "neither", (false, false) => "the removal", (false, true) => "both", _ => "THE CREATION ONLY" }),
        new("Does a rename come before a later change of another file?", "creat a; creat f; write f 0 4096 1", "rename a b; write f 0 4096 2",
            v => (v.Exists("b"), v.Content("f", 1, 2, 0, 4096)) switch { (false, "old") => "neither", (true, "old") => "the rename", (true, "new") => "both", _ => "THE WRITE ONLY" }),
        new("Is a rename over a file atomic?", "creat f; write f 0 5000 1; creat t; write t 0 5000 2", "rename t f",
            v => $"{v.Content("f", 1, 2, 0, 5000)}{(v.Exists("t") ? ", and the other name" : "")}"),
        new("Is a rename from one directory to another atomic?", "mkdir A; mkdir B; creat A/f", "rename A/f B/f",
            v => (v.Exists("A/f"), v.Exists("B/f")) switch { (true, false) => "at the old place", (false, true) => "at the new place", (true, true) => "AT BOTH", _ => "NOWHERE" }),
        new("Is an exchange of two names atomic?", "creat a; write a 0 5000 1; creat b; write b 0 5000 2", "rename a b exchange",
            v => $"a {v.Content("a", 1, 2, 0, 5000)}, b {v.Content("b", 1, 2, 0, 5000)}"),
        new("Write a new file, rename it over the old one, no fsync: what is there?", "creat f; write f 0 9000 1", "creat t; write t 0 9000 2; rename t f", v => v.Content("f", 1, 2, 0, 9000)),
        new("Truncate and write again, no fsync: what is there?", "creat f; write f 0 9000 1", "truncate f 0; write f 0 9000 2", v => v.Content("f", 1, 2, 0, 9000)),
        new("Is a file whose last name moves ever without one (link, then unlink)?", "creat a", "link a b; unlink a", v => v.Exists("a") || v.Exists("b") ? "no" : "YES"),
        new("Do bytes come back that a truncation cut off?", "creat f; write f 0 9000 1", "truncate f 100; truncate f 9000", v => v.Content("f", 1, 1, 0, 9000) switch { "MIXED" => "no: zeroes", "new" => "not yet cut", "new up to a block" => "no: cut", _ => "YES" }),
        new("Does an extended attribute set before a rename survive with it?", "creat t", "setxattr t user.k 100 1; rename t f", v => !v.Exists("f") ? "not yet renamed" : v.HasXattr("f", "user.k") ? "yes" : "NO"),
        new("After fsync of a new file, without fsync of its directory: is it there?", "mkdir A", "creat A/f; write A/f 0 6000 2; fsync A/f", v => v.Content("A/f", 0, 2, 0, 6000), true),
        new("After fdatasync of an append: are size and data there?", "creat f; write f 0 4096 1", "append f 9000 2; fdatasync f", v => v.Content("f", 0, 2, 4096, 9000), true),
        new("After fsync of one file: is an earlier change of another there?", "creat a; write a 0 4096 1; creat b", "write a 0 4096 2; mkdir D; fsync b", v => $"{v.Content("a", 1, 2, 0, 4096)}, {v.Presence("D")}", true),
        new("After fsync of a directory: are its names and the data of its files there?", "mkdir A", "creat A/f; write A/f 0 6000 2; fsync A", v => v.Content("A/f", 0, 2, 0, 6000), true),
        new("After a write to a file opened with O_SYNC?", "creat f; write f 0 8192 1", "writesync f 100 5000 2", v => v.Content("f", 1, 2, 100, 5000), true),
        new("After rename and fsync of the directory?", "creat f; write f 0 9000 1", "creat t; write t 0 9000 2; rename t f; fsync .", v => v.Content("f", 1, 2, 0, 9000), true),
    ];
}
