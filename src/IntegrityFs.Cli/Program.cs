using IntegrityFs.Cli;
using IntegrityFs.Cli.Commands;
using IntegrityFs.Cli.Commands.Crashtest;
using IntegrityFs.Cli.Daemon;

string called = Environment.GetCommandLineArgs()[0];
return CalledName.Parse(called) switch
{
    Verb.Mkfs => CommandLine.Run(["mkfs", .. args]),
    Verb.Fsck => CommandLine.Run(["fsck", .. args]),
    Verb.Mount => MountCommand.Run(args, asHelper: true),
    Verb.Umount => UmountCommand.Run(args, asHelper: true),
    _ when args.Length == 0 => CommandLine.Run(["--help"]),
    _ when args[0] == Launcher.DaemonVerb => ServeCommand.Run(args[1..]),
    _ when args[0] == LiveDaemon.Verb => LiveDaemon.Run(args[1..]),
    _ when args[0] == "mount" => MountCommand.Run(args[1..], asHelper: false),
    _ when args[0] == "umount" => UmountCommand.Run(args[1..], asHelper: false),
    _ when CommandLine.MeansMount(args) => MountCommand.Run(args, asHelper: true),
    _ => CommandLine.Run(args),
};
