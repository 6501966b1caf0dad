using CsCheck;
using IntegrityFs.Fuse.Protocol;
using IntegrityFs.NullServer;
using static IntegrityFs.Fuse.Tests.Kernel;

namespace IntegrityFs.Fuse.Tests;

public sealed class RobustnessTests
{
    [Fact]
    public void Every_operation_truncated_at_every_length_gets_a_reply_or_silence()
    {
        using var kernel = new Kernel();
        kernel.Create("a");
        byte[] body = Join(new byte[24], Name("a"), Name("b"), new byte[100]);
        foreach (Opcode operation in Enum.GetValues<Opcode>().Where(operation => operation != Opcode.Destroy))
        {
            for (int length = 0; length <= body.Length; length++)
            {
                byte[] message = kernel.Message(operation, 1, body[..length], []);
                Reply? reply = kernel.Send(message);
                Assert.Equal(operation is Opcode.Forget or Opcode.BatchForget or Opcode.NotifyReply, reply == null);
            }

            byte[] whole = kernel.Message(operation, 1, body, []);
            for (int length = 0; length < whole.Length; length++)
            {
                Reply? reply = kernel.Send(whole.AsSpan(0, length));
                Assert.True(reply == null || reply.Error == 22);
            }
        }
    }

    [Fact]
    public void A_request_shorter_than_its_header_is_dropped()
    {
        using var kernel = new Kernel();
        Assert.Null(kernel.Send(new byte[39]));
    }

    [Fact]
    public void Random_requests_never_throw_and_are_answered_under_their_own_number()
    {
        using var kernel = new Kernel(new MemoryFileSystem(keepContent: false).Initialize());
        Opcode[] operations = [.. Enum.GetValues<Opcode>().Where(operation => operation is not (Opcode.Destroy or Opcode.Init))];
        Gen.Select(Gen.Int[0, operations.Length - 1], Gen.ULong[0, 5], Gen.Byte.Array[0, 300], Gen.UShort[0, 40]).Sample(
            (index, node, body, units) =>
            {
                byte[] message = kernel.Message(operations[index], node, body, []);
                BitConverter.TryWriteBytes(message.AsSpan(36), units);
                Reply? reply = kernel.Send(message);
                return reply == null || reply.Unique == BitConverter.ToUInt64(message, 8);
            },
            iter: 20_000,
            threads: 1);
    }

    [Fact]
    public void Random_extensions_never_throw()
    {
        using var kernel = new Kernel();
        Gen.Select(Gen.UInt[0, 64], Gen.UInt[0, 40], Gen.UInt[0, 64], Gen.Byte[0, 3].Array[56]).Sample(
            (size, type, length, rest) =>
            {
                byte[] extension = Join(Bytes(new ExtensionHeader(size, type)), Bytes(new SecurityContextHeader(length, 0)), rest);
                byte[] body = Join(Bytes(new MkDirIn(0, 0)), Name("d"));
                Reply? reply = kernel.Send(kernel.Message(Opcode.MkDir, 1, body, extension));
                return reply is { Error: 0 or 17 or 22 };
            },
            iter: 20_000,
            threads: 1);
    }

    [Fact]
    public void Serving_the_usual_requests_allocates_nothing()
    {
        using var kernel = new Kernel(new MemoryFileSystem(keepContent: false).Initialize());
        ulong node = kernel.Create("file");
        byte[][] messages =
        [
            kernel.Message(Opcode.Read, node, Bytes(new ReadIn(node, 0, 1 << 20, 0, 0, 0, 0)), []),
            kernel.Message(Opcode.Write, node, Join(Bytes(new WriteIn(node, 0, 1 << 20, 0, 0, 0, 0)), new byte[1 << 20]), []),
            kernel.Message(Opcode.GetAttr, node, Bytes(default(GetAttrIn)), []),
            kernel.Message(Opcode.Statx, node, Bytes(default(StatxIn)), []),
            kernel.Message(Opcode.Lookup, 1, Name("file"), []),
            kernel.Message(Opcode.Lookup, 1, Name("absent"), []),
            kernel.Message(Opcode.Open, node, Bytes(default(OpenIn)), []),
            kernel.Message(Opcode.Release, node, Bytes(default(ReleaseIn)), []),
            kernel.Message(Opcode.Fsync, node, Bytes(default(FsyncIn)), []),
            kernel.Message(Opcode.SetAttr, node, Bytes(default(SetAttrIn)), []),
            kernel.Message(Opcode.ReadDirPlus, 1, Bytes(new ReadIn(0, 0, 4096, 0, 0, 0, 0)), []),
            kernel.Message(Opcode.StatFs, 1, [], []),
            kernel.Message(Opcode.BatchForget, 0, Join(Bytes(new BatchForgetIn(1, 0)), Bytes(new ForgetOne(node, 1))), []),
        ];
        foreach (byte[] message in messages)
        {
            for (int i = 0; i < 100; i++)
            {
                kernel.SendOnly(message);
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
            {
                kernel.SendOnly(message);
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated == 0, $"operation {BitConverter.ToUInt32(message, 4)} allocated {allocated} bytes");
        }
    }
}
