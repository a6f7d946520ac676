# Roll dice: /2d6 answers what two dice show.
use strict;
use warnings;
use Plack::Request;

my $app = sub {
    my $request = Plack::Request->new(shift);
    my $response = $request->new_response(200, ['Content-Type' => 'text/plain; charset=utf-8']);
    if ($request->path_info =~ m{^/(\d{1,2})d(\d{1,3})$} && $1 && $2) {
        my @rolls = map { 1 + int rand $2 } 1 .. $1;
        $response->body(join(' ', @rolls) . "\n");
    }
    elsif ($request->path_info eq '/') {
        $response->redirect($request->base . (substr($request->base, -1) eq '/' ? '' : '/') . '2d6');
    }
    else {
        $response->status(404);
        $response->body("Ask for something like /3d20.\n");
    }
    return $response->finalize;
};
$app;
