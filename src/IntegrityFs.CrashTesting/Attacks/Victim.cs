// Promise: a volume with a history, as an attacker finds it: closed in order or crashed with a journal to replay, with
// images of it from earlier times, a sister volume of the same master key, and the facts that a reader must see.
using IntegrityFs.Format;
using IntegrityFs.Keys;

namespace IntegrityFs.CrashTesting;

/// <summary>What the attacks are made on.</summary>
internal sealed class Victim
{
    private static readonly string[] s_stages =
    [
        "mkdir etc; mkdir etc/sub; creat etc/policy; write etc/policy 0 30000 1; setxattr etc/policy user.label 40 1; symlink policy etc/link; creat big; write big 0 60000 2",
        "write etc/policy 4096 9000 3; chmod etc/policy 600; creat etc/sub/a; write etc/sub/a 0 700 4; setxattr etc/policy user.label 44 5; rename big data",
        "unlink etc/sub/a; creat etc/sub/b; write etc/sub/b 0 9000 6; write data 20000 12000 7; chown etc 7 8; for 24 : creat etc/sub/n%",
        "write etc/policy 0 12000 8; truncate data 45000; setxattr data user.big 1500 9; chmod etc/policy 640; for 12 : unlink etc/sub/n%",
    ];

    private static readonly string[] s_unclosed =
    [
        "write etc/policy 8192 3000 10; fsync etc/policy", "creat etc/new; fsync etc/new", "rename etc/new etc/newer; fsync etc",
        "chmod etc/policy 400; sync", "setxattr etc/policy user.label 30 13; sync",
    ];

    // The same calls with other content: another future of the same past, which differs in every transaction.
    private static readonly string[] s_fork =
    [
        "write etc/policy 8192 3000 20; fsync etc/policy", "creat etc/new; fsync etc/new", "rename etc/new etc/other; fsync etc",
        "chmod etc/policy 444; sync", "setxattr etc/policy user.label 30 23; sync",
    ];

    private Victim(string name, IntegrityFsSubject subject)
    {
        Name = name;
        Subject = subject;
        Credential = KeyFileCredential.FromBytes(new byte[32].Select((_, i) => (byte)(i + subject.Options.Identity)).ToArray());
        Passphrase = new PassphraseCredential("correct horse battery staple"u8);
        RemovedCredential = KeyFileCredential.FromBytes(new byte[32].Select((_, i) => (byte)(99 - i)).ToArray());
    }

    public string Name { get; }

    public IntegrityFsSubject Subject { get; }

    /// <summary>Opens the key slots.</summary>
    public Credential Credential { get; }

    /// <summary>Opens them too, by a stretched passphrase.</summary>
    public Credential Passphrase { get; }

    /// <summary>Opened them once.</summary>
    public Credential RemovedCredential { get; }

    /// <summary>The device as the attacker finds it. Not to be changed.</summary>
    public PageImage Image { get; private set; } = null!;

    /// <summary>The device as it was at earlier times, oldest first; each closed in order, but for those of a crashed
    /// volume's last mount.</summary>
    public List<PageImage> Earlier { get; } = [];

    /// <summary>A volume of the same master key with another UUID and other content.</summary>
    public PageImage Sister { get; private set; } = null!;

    /// <summary>Another future of a crashed volume: the same journal pages, other transactions. Null for a closed one.</summary>
    public PageImage? Fork { get; private set; }

    /// <summary>Facts of the present, and before it those that a crash or a cut of the journal's tail may go back to.</summary>
    public List<TreeFacts> Facts { get; } = [];

    /// <summary>Facts of the earlier images.</summary>
    public List<TreeFacts> EarlierFacts { get; } = [];

    public ZoneMap Zones { get; private set; } = null!;

    /// <summary>The pages of each transaction that recovery replays, oldest first; they may wrap.</summary>
    public List<int[]> Transactions { get; } = [];

    public bool IsCrashed => Name == "crashed";

    public VolumeGeometry Geometry => Subject.Geometry;

    /// <summary>Makes a victim.</summary>
    /// <param name="subject">The store; blocks of 4096 bytes.</param>
    /// <param name="crashed">Not closed: the journal holds five transactions, one operation in each.</param>
    public static Victim Make(IntegrityFsSubject subject, bool crashed)
    {
        var victim = new Victim(crashed ? "crashed" : "closed", subject);
        PageImage image = victim.Format(subject);
        for (int stage = 0; stage < s_stages.Length; stage++)
        {
            victim.RunStage(image, stage);
            victim.Earlier.Add(image.Copy());
            victim.EarlierFacts.Add(victim.ReadFacts(image));
        }

        victim.Zones = ZoneMap.Of(image, subject.MasterKey, subject.Geometry, UuidOf(subject));
        if (crashed)
        {
            PageImage other = image.Copy();
            victim.Live(image, s_unclosed, remember: true);
            victim.Live(other, s_fork, remember: false);
            victim.Fork = other;
        }
        else
        {
            victim.Facts.Add(victim.EarlierFacts[^1]);
            victim.Earlier.RemoveAt(victim.Earlier.Count - 1);
            victim.EarlierFacts.RemoveAt(victim.EarlierFacts.Count - 1);
        }

        victim.Image = image.Copy();
        victim.Sister = MakeSister(victim);
        return victim;
    }

    public static Guid UuidOf(IntegrityFsSubject subject) => new(0x1f5, 7, 9, 1, 2, 3, 4, 5, 6, 7, subject.Options.Identity);

    private static PageImage MakeSister(Victim victim)
    {
        var sister = new IntegrityFsSubject(victim.Subject.Options with { Uuid = new Guid(0x1f5, 7, 9, 9, 9, 9, 9, 9, 9, 9, 9) });
        var other = new Victim("sister", sister);
        PageImage image = other.Format(sister);
        other.RunStage(image, 0);
        other.RunStage(image, 1);
        return image.Copy();
    }

    private PageImage Format(IntegrityFsSubject subject)
    {
        var image = new PageImage(subject.DeviceLength);
        var device = new ImageDevice(image);
        subject.Format(device);
        using MasterKey key = MasterKey.FromBytes(subject.MasterKey);
        var random = new SeededRandom(5);
        void Random(Span<byte> bytes)
        {
            foreach (ref byte b in bytes)
            {
                b = (byte)random.Next();
            }
        }

        KeySlotTable slots = KeySlotTable.Create(subject.Options.Uuid ?? UuidOf(subject));
        slots.Add(Credential, key, "first", null, Random);
        slots.Add(RemovedCredential, key, "second", null, Random);
        slots.Add(Passphrase, key, "third", PassphraseCost.Least, Random);
        slots.Write(device, key);
        return image;
    }

    private void RunStage(PageImage image, int stage)
    {
        var device = new ImageDevice(image);
        var clock = new ManualClock();
        clock.SetStep(100 * (stage + 1));
        using IMountedSubject mounted = Subject.Mount(device, clock, readOnly: false);
        var executor = new OperationExecutor(mounted.Files);
        foreach (Operation operation in Workload.Parse("stage", s_stages[stage]).Operations)
        {
            Require(operation, executor.Execute(operation).Error);
        }

        mounted.Close();
        if (stage == 2)
        {
            KeySlotTable slots = KeySlotTable.Read(device);
            using MasterKey key = slots.Unlock(Credential);
            slots.Remove(1);
            slots.Write(device, key);
        }
    }

    /// <summary>Uses the volume and leaves it without closing it.</summary>
    private void Live(PageImage image, string[] steps, bool remember)
    {
        var trace = new Trace();
        var clock = new ManualClock();
        clock.SetStep(remember ? 1000 : 1001);
        using IMountedSubject mounted = Subject.Mount(new RecordingDevice(new ImageDevice(image), trace), clock, readOnly: false);
        var executor = new OperationExecutor(mounted.Files);
        if (remember)
        {
            Facts.Add(TreeFacts.Read(mounted.Files));
        }

        foreach (string step in steps)
        {
            int from = trace.Events.Count;
            foreach (Operation operation in Workload.Parse("unclosed", step).Operations)
            {
                Require(operation, executor.Execute(operation).Error);
            }

            if (remember)
            {
                Facts.Add(TreeFacts.Read(mounted.Files));
                NoteTransaction(trace.Events.Skip(from));
                Earlier.Add(image.Copy());
                EarlierFacts.Add(Facts[^1]);
            }
        }

        if (remember)
        {
            Earlier.RemoveAt(Earlier.Count - 1);
            EarlierFacts.RemoveAt(EarlierFacts.Count - 1);
            Zones = Zones.WithJournal(Transactions.SelectMany(pages => pages));
        }
    }

    private void NoteTransaction(IEnumerable<TraceEvent> events)
    {
        var pages = new List<int>();
        foreach (TraceEvent write in events.Where(e => e.Kind == TraceEventKind.Write))
        {
            if (Subject.RegionOf(write.Offset) != DeviceRegion.Journal)
            {
                throw new InvalidOperationException("the victim's journal is too small: it made a checkpoint");
            }

            pages.AddRange(Enumerable.Range((int)(write.Offset / PageImage.PageSize), write.Data.Length / PageImage.PageSize));
        }

        Transactions.Add([.. pages]);
    }

    private TreeFacts ReadFacts(PageImage image)
    {
        using VolumeSession session = VolumeSession.Open(new ImageDevice(new PageImage(image)), Subject.MasterKey, Subject);
        TreeFacts facts = TreeFacts.Read(session.Files);
        return facts.HasGaps ? throw new InvalidOperationException("the victim cannot be read: " + string.Join("; ", facts.Gaps)) : facts;
    }

    private static void Require(Operation operation, Errno error)
    {
        if (error != Errno.OK)
        {
            throw new InvalidOperationException($"the victim's '{operation}' returned {error}");
        }
    }
}
