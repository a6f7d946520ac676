# Tell a PSGI program the prefix that it is served below, for each request: SCRIPT_NAME from X-Forwarded-Prefix.
use strict;
use warnings;
use Plack::Util;

my $app = Plack::Util::load_psgi($ENV{SERAI_PSGI} || 'app.psgi');

sub {
    my $env = shift;
    my $prefix = $env->{HTTP_X_FORWARDED_PREFIX} || '';
    $prefix =~ s{/+\z}{};
    $env->{SCRIPT_NAME} = $prefix if $prefix =~ m{\A/[!-~]*\z};
    $env->{'psgi.url_scheme'} = $1 if ($env->{HTTP_X_FORWARDED_PROTO} || '') =~ m{\A(https?)\z};
    $env->{REMOTE_ADDR} = $1 if ($env->{HTTP_X_FORWARDED_FOR} || '') =~ m{([0-9A-Fa-f:.]+)\s*\z};
    return $app->($env);
};
