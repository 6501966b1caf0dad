using CsCheck;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting.Tests;

public sealed class StateTests
{
    private static byte[] Fill(int length, byte value)
    {
        byte[] data = new byte[length];
        Array.Fill(data, value);
        return data;
    }

    private static Trace Record(params string[] script)
    {
        var trace = new Trace();
        var flushes = new Stack<int>();
        byte value = 1;
        foreach (string step in script)
        {
            switch (step)
            {
                case "start":
                    flushes.Push(trace.StartFlush());
                    break;
                case "end":
                    trace.EndFlush(flushes.Pop());
                    break;
                default:
                    trace.Write(int.Parse(step, System.Globalization.CultureInfo.InvariantCulture) * 512, Fill(512, value++));
                    break;
            }
        }

        return trace;
    }

    [Fact]
    public void Only_a_flush_that_started_after_a_write_makes_it_durable()
    {
        List<CrashPoint> points = CrashPoint.Of(Record("0", "start", "1", "end", "2").Events);
        Assert.Equal(2, points.Count);
        Assert.Equal(2, points[0].Pending.Count);
        Assert.Empty(points[0].NewlyDurable);
        Assert.Equal(0, Assert.Single(points[1].NewlyDurable).Offset);
        Assert.Equal([512L, 1024L], points[1].Pending.Select(unit => unit.Offset));
    }

    [Fact]
    public void A_flush_that_did_not_end_guarantees_nothing()
    {
        CrashPoint point = Assert.Single(CrashPoint.Of(Record("0", "1", "start").Events));
        Assert.Equal(2, point.Pending.Count);
    }

    [Fact]
    public void Writes_are_split_into_pages()
    {
        var trace = new Trace();
        trace.Write(3584, new byte[8192]);
        CrashPoint point = Assert.Single(CrashPoint.Of(trace.Events));
        Assert.Equal([1, 8, 7], point.Pending.Select(unit => unit.Sectors));
    }

    [Fact]
    public void Few_writes_are_enumerated_as_all_subsets()
    {
        CrashPoint point = Assert.Single(CrashPoint.Of(Record("0", "1", "2", "3").Events));
        var profile = new CrashProfile { Torn = false, Samples = 0 };
        Assert.Equal(16, CrashStates.Enumerate(point, profile, 1, 1000).Select(state => Convert.ToHexString(state.Masks)).Distinct().Count());
    }

    [Fact]
    public void States_have_a_text_form_that_can_be_read_back() =>
        Gen.Select(Gen.Byte.Array[0, 12], Gen.Bool).Sample((masks, many) =>
        {
            var trace = new Trace();
            for (int i = 0; i < masks.Length; i++)
            {
                trace.Write(i * 4096L, new byte[many ? 4096 : 1024]);
            }

            List<CrashPoint> points = CrashPoint.Of(trace.Events);
            byte[] fitting = [.. masks.Select((mask, i) => (byte)(mask % 3 == 0 ? points[0].Pending[i].Whole : mask & points[0].Pending[i].Whole))];
            var state = new CrashState(0, fitting);
            return CrashState.Parse(state.Describe(points[0]), points).Masks.SequenceEqual(fitting);
        });

    [Fact]
    public void The_state_hash_is_equal_exactly_where_the_images_are()
    {
        var trace = new Trace();
        var random = new SeededRandom(3);
        for (int i = 0; i < 8; i++)
        {
            trace.Write((long)random.Below(6) * 512, Fill(512, (byte)random.Below(3)));
        }

        CrashPoint point = CrashPoint.Of(trace.Events)[0];
        var durable = new PageImage(8192);
        var hasher = new StateHasher(point, durable);
        var byHash = new Dictionary<ulong, string>();
        var byImage = new Dictionary<string, ulong>();
        foreach (CrashState state in CrashStates.Enumerate(point, new CrashProfile { Torn = false }, 1, 1000))
        {
            var image = new PageImage(durable);
            state.Apply(point, image);
            string content = Convert.ToHexString(image.ToArray());
            ulong hash = hasher.Delta(state);
            Assert.Equal(content, byHash.GetValueOrDefault(hash, content));
            Assert.Equal(hash, byImage.GetValueOrDefault(content, hash));
            byHash[hash] = content;
            byImage[content] = hash;
        }

        Assert.True(byHash.Count is > 5 and < 200);
    }

    [Fact]
    public void A_fork_reads_as_its_parent_until_written_and_again_after_reset()
    {
        var parent = new PageImage(16384);
        parent.Write(1000, Fill(5000, 7));
        var fork = new PageImage(parent);
        byte[] before = parent.ToArray();
        Assert.Equal(before, fork.ToArray());
        fork.Write(4000, Fill(300, 9));
        Assert.Equal(before, parent.ToArray());
        Assert.Equal(9, fork.ToArray()[4299]);
        Assert.Equal(7, fork.ToArray()[4300]);
        fork.Reset();
        Assert.Equal(before, fork.ToArray());
        Assert.Throws<DeviceException>(() => fork.Read(16000, new byte[1000]));
    }

    [Theory]
    [InlineData(FaultKind.Error, true, 0)]
    [InlineData(FaultKind.ShortWrite, true, 2)]
    [InlineData(FaultKind.Lost, false, 0)]
    [InlineData(FaultKind.BitRot, false, 4)]
    public void A_fault_strikes_the_planned_write_only(FaultKind kind, bool fails, int sectors)
    {
        var image = new PageImage(65536);
        var device = new FaultDevice(new ImageDevice(image), new Fault(kind, DeviceOperation.Write, 1, false));
        device.Write(0, Fill(512, 1));
        device.Armed = true;
        device.Write(512, Fill(512, 1));
        if (fails)
        {
            Assert.Throws<DeviceException>(() => device.Write(4096, Fill(2048, 5)));
        }
        else
        {
            device.Write(4096, Fill(2048, 5));
        }

        device.Write(8192, Fill(512, 1));
        Assert.Equal(1, device.Happened);
        byte[] content = image.ToArray();
        Assert.Equal(sectors, Enumerable.Range(0, 4).Count(s => content[4096 + (s * 512)] == 5));
        Assert.Equal(kind == FaultKind.BitRot, content.AsSpan(4096, 2048).Contains((byte)0x15));
        Assert.Equal(1, content[8192]);
    }
}
