#!/usr/bin/perl
# A month's calendar: /cgi-bin/calendar.pl?year=2026&month=11, or /cgi-bin/calendar.pl/2026/11
use strict;
use warnings;
use Time::Local qw(timegm);

my %query = map { /^(\w+)=(\d+)$/ ? ($1 => $2) : () } split /[&;]/, $ENV{QUERY_STRING} // '';
my ($year, $month) = ($ENV{PATH_INFO} // '') =~ m{^/(\d{4})/(\d{1,2})$};
my @now = gmtime;
$year  //= $query{year}  // $now[5] + 1900;
$month //= $query{month} // $now[4] + 1;

if ($month < 1 || $month > 12 || $year < 1970 || $year > 2999) {
    print "Status: 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nNo such month.\n";
    exit;
}
my $next  = $month == 12 ? timegm(0, 0, 0, 1, 0, $year + 1) : timegm(0, 0, 0, 1, $month, $year);
my $first = timegm(0, 0, 0, 1, $month - 1, $year);
my $days  = ($next - $first) / 86400;
my $skip  = ((gmtime $first)[6] + 6) % 7;

print "Content-Type: text/html; charset=utf-8\r\n\r\n";
printf "<!doctype html><title>%04d-%02d</title><h1>%04d-%02d</h1><table><tr>", $year, $month, $year, $month;
print map { "<th>$_</th>" } qw(Mo Tu We Th Fr Sa Su);
print "</tr><tr>", "<td></td>" x $skip;
for my $day (1 .. $days) {
    print "<td>$day</td>";
    print "</tr><tr>" if ($skip + $day) % 7 == 0;
}
print "</tr></table>\n";
