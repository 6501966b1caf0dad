using System.Diagnostics;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>One line on standard error that says how far a long command is: rewritten in place on a terminal, a new line
/// every half minute elsewhere. May be called from any thread.</summary>
internal sealed class ProgressLine(bool silent)
{
    private readonly Lock _gate = new();
    private readonly bool _terminal = !Console.IsErrorRedirected;
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private double _next;
    private int _width;

    /// <summary>Shows the text that <paramref name="text"/> makes, where it is time to.</summary>
    public void Show(Func<string> text)
    {
        if (silent)
        {
            return;
        }

        lock (_gate)
        {
            double now = _watch.Elapsed.TotalSeconds;
            if (now < _next)
            {
                return;
            }

            _next = now + (_terminal ? 0.25 : 30);
            string line = text();
            Console.Error.Write(_terminal ? "\r" + line.PadRight(_width) : line + "\n");
            _width = line.Length;
        }
    }

    /// <summary>Takes the line away.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            if (_terminal && _width > 0)
            {
                Console.Error.Write("\r" + new string(' ', _width) + "\r");
                _width = 0;
            }
        }
    }
}
