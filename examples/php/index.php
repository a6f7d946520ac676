<?php
// A poll: one vote each, counted in a file.
declare(strict_types=1);
require __DIR__ . '/lib/poll.php';

session_save_path(sys_get_temp_dir());
session_start(['cookie_path' => dirname($_SERVER['SCRIPT_NAME']), 'cookie_httponly' => true]);
$poll = new Poll((getenv('DATA_DIR') ?: sys_get_temp_dir()) . '/votes.json', ['tea', 'coffee', 'water']);

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    if (empty($_SESSION['voted']) && $poll->vote($_POST['choice'] ?? '')) {
        $_SESSION['voted'] = true;
    }
    header('Location: ' . rtrim(dirname($_SERVER['SCRIPT_NAME']), '/') . '/', true, 303);
    exit;
}
?>
<!doctype html>
<meta charset="utf-8">
<title>Poll</title>
<h1>What do you drink?</h1>
<form method="post">
<?php foreach ($poll->counts() as $choice => $count): ?>
  <p><button name="choice" value="<?= htmlspecialchars($choice) ?>"><?= htmlspecialchars($choice) ?></button> <?= $count ?></p>
<?php endforeach ?>
</form>
<small>PHP <?= PHP_VERSION ?></small>
