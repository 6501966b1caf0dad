using System.Buffers.Binary;

namespace IntegrityFs.CrashTesting;

/// <summary>File content that says where it belongs: a function of the seed and the byte's offset in the file, never
/// zero, so that stale, foreign, shifted and missing bytes all differ.</summary>
internal static class ContentPattern
{
    public static byte[] Create(ulong seed, long offset, long length)
    {
        byte[] data = new byte[length];
        Span<byte> word = stackalloc byte[8];
        for (long position = offset & ~7L; position < offset + length; position += 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, SeededRandom.Mix(seed + ((ulong)position * 0x632BE59BD9B4E019UL)) | 0x0101010101010101UL);
            for (int i = 0; i < 8; i++)
            {
                long index = position + i - offset;
                if (index >= 0 && index < length)
                {
                    data[index] = word[i];
                }
            }
        }

        return data;
    }
}
