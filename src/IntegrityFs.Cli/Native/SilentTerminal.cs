using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace IntegrityFs.Cli.Native;

/// <summary>Switches off the echo of the terminal on standard input until disposed, or until the user interrupts.</summary>
internal sealed unsafe class SilentTerminal : IDisposable
{
    // struct termios of glibc: four 32-bit flag words, the fourth holds ECHO (0x08) and ECHONL (0x40).
    private const int LocalFlagsOffset = 12;
    private const int StructureSize = 128;
    private const int AfterFlush = 2;
    private const uint Echo = 0x08;
    private const uint EchoNewline = 0x40;

    private readonly byte[] _before = new byte[StructureSize];
    private readonly bool _isTerminal;
    private readonly PosixSignalRegistration? _interrupt;

    public SilentTerminal()
    {
        fixed (byte* before = _before)
        {
            _isTerminal = Posix.GetTerminal(0, before) == 0;
        }

        if (!_isTerminal)
        {
            return;
        }

        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => Restore());
        byte[] silent = (byte[])_before.Clone();
        Span<byte> flags = silent.AsSpan(LocalFlagsOffset, sizeof(uint));
        uint local = BinaryPrimitives.ReadUInt32LittleEndian(flags);
        BinaryPrimitives.WriteUInt32LittleEndian(flags, (local & ~Echo) | EchoNewline);
        fixed (byte* attributes = silent)
        {
            _ = Posix.SetTerminal(0, AfterFlush, attributes);
        }
    }

    public void Dispose()
    {
        Restore();
        _interrupt?.Dispose();
    }

    private void Restore()
    {
        if (_isTerminal)
        {
            fixed (byte* before = _before)
            {
                _ = Posix.SetTerminal(0, AfterFlush, before);
            }
        }
    }
}
