namespace IntegrityFs.CrashTesting;

/// <summary>One workload to be explored on one subject.</summary>
/// <param name="Subject">Index of the subject.</param>
/// <param name="Workload">The workload.</param>
/// <param name="Profile">How its states are enumerated.</param>
public sealed record CampaignItem(int Subject, Workload Workload, CrashProfile Profile);
