using System.Net.Sockets;
using System.Text;
using IntegrityFs.Cli.Native;

namespace IntegrityFs.Cli.Daemon;

/// <summary>Where the control socket of a mount is: named by the mount's device number, so that it is found without
/// touching the mount.</summary>
internal static class ControlPath
{
    /// <summary>The directory for this user.</summary>
    /// <returns>Null where the user has no private directory for such things (a shared one would not be safe).</returns>
    public static string? Directory(uint user)
    {
        if (user == 0)
        {
            return "/run/integrityfs";
        }

        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        runtime = string.IsNullOrEmpty(runtime) ? $"/run/user/{user}" : runtime;
        return System.IO.Directory.Exists(runtime) ? Path.Combine(runtime, "integrityfs") : null;
    }

    /// <summary>The socket of the mount with this device number ("0:51").</summary>
    public static string? Socket(uint user, string deviceNumber) =>
        Directory(user) is { } directory ? Path.Combine(directory, deviceNumber.Replace(':', '-') + ".sock") : null;

    /// <summary>Both places where a socket of the mount may be: the caller's, and root's.</summary>
    public static IEnumerable<string> Candidates(uint user, string deviceNumber)
    {
        if (Socket(user, deviceNumber) is { } own)
        {
            yield return own;
        }

        if (user != 0)
        {
            yield return Socket(0, deviceNumber)!;
        }
    }
}

/// <summary>Answers "status" and "sync" of one mount: a request is one line, the answer everything until the end. Mode
/// 0600: only the daemon's user and root.</summary>
internal sealed class ControlServer : IDisposable
{
    private const int LongestRequest = 256;

    private readonly Socket _listener;
    private readonly string _path;
    private readonly Func<string, string> _answer;
    private readonly Thread _thread;
    private readonly FileIdentity? _identity;

    /// <summary>Binds and starts to answer; replaces what a killed daemon left behind.</summary>
    public ControlServer(string path, Func<string, string> answer)
    {
        _path = path;
        _answer = answer;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.Delete(path);
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        _identity = FileIdentity.Of(path);
        _listener.Listen(8);
        _thread = new Thread(Serve) { IsBackground = true, Name = "control" };
        _thread.Start();
    }

    /// <summary>Stops. The kernel gives the number of a mount that is gone to the next one: if that has put its socket in
    /// this one's place by now, it stays.</summary>
    public void Dispose()
    {
        if (_identity is not null && FileIdentity.Of(_path) == _identity)
        {
            File.Delete(_path);
        }

        _listener.Dispose();
        _thread.Join(TimeSpan.FromSeconds(2));
    }

    private void Serve()
    {
        while (true)
        {
            try
            {
                using Socket client = _listener.Accept();
                Answer(client);
            }
            catch (SocketException e) when (e.SocketErrorCode is not (SocketError.OperationAborted or SocketError.Interrupted or SocketError.NotSocket or SocketError.InvalidArgument))
            {
                // That client went away; the next one may stay.
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private void Answer(Socket client)
    {
        client.ReceiveTimeout = 2000;
        client.SendTimeout = 2000;
        byte[] request = new byte[LongestRequest];
        int length = 0;
        while (length < request.Length && request.AsSpan(0, length).IndexOf((byte)'\n') < 0)
        {
            int received = client.Receive(request.AsSpan(length));
            if (received == 0)
            {
                break;
            }

            length += received;
        }

        string answer;
        try
        {
            answer = _answer(Encoding.UTF8.GetString(request, 0, length).TrimEnd('\n'));
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            answer = $"error {e.Message}\n";
        }

        client.Send(Encoding.UTF8.GetBytes(answer));
    }
}

/// <summary>The other end.</summary>
internal static class ControlClient
{
    private const int SolSocket = 1;
    private const int SoPeerCredentials = 17;

    /// <summary>The process that listens, as the kernel knows it (SO_PEERCRED, unix(7)): also while it answers somebody
    /// else.</summary>
    /// <returns>Null where nobody listens.</returns>
    public static int? Listener(string path)
    {
        using Socket? socket = Connect(path);
        Span<byte> credentials = stackalloc byte[12];
        return socket?.GetRawSocketOption(SolSocket, SoPeerCredentials, credentials) == credentials.Length
            && BitConverter.ToInt32(credentials) is > 0 and int process
            ? process
            : null;
    }

    /// <summary>Sends one request and returns the whole answer; null where nobody listens.</summary>
    public static string? Ask(string path, string request, TimeSpan patience)
    {
        using Socket? socket = Connect(path);
        if (socket is null)
        {
            return null;
        }

        try
        {
            socket.ReceiveTimeout = (int)patience.TotalMilliseconds;
            socket.Send(Encoding.UTF8.GetBytes(request + "\n"));
            using var answer = new MemoryStream();
            byte[] part = new byte[8192];
            int received;
            while ((received = socket.Receive(part)) > 0)
            {
                answer.Write(part, 0, received);
            }

            return Encoding.UTF8.GetString(answer.GetBuffer(), 0, (int)answer.Length);
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static Socket? Connect(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }
}
