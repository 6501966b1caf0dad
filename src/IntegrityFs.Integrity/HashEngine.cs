namespace IntegrityFs.Integrity;

/// <summary>By what tags of many blocks are computed. The tags are the same.</summary>
public enum HashEngine
{
    /// <summary>Intel's multi-buffer library where it can be used, else OpenSSL.</summary>
    Auto,

    /// <summary>OpenSSL, through the runtime.</summary>
    OpenSsl,
}

/// <summary>What is used, and why.</summary>
public static class HashEngines
{
    /// <summary>The name of what is used for <paramref name="engine"/> in this process: "ipsec-mb" or "openssl".</summary>
    public static string NameOf(HashEngine engine) => IsMultiBuffer(engine) ? "ipsec-mb" : "openssl";

    /// <summary>Why the multi-buffer library is not used; null where it can be.</summary>
    public static string? Refusal => MultiBufferLibrary.Process.Refusal;

    internal static bool IsMultiBuffer(HashEngine engine) => engine == HashEngine.Auto && Refusal is null;
}
