<?php
declare(strict_types=1);

final class Poll
{
    public function __construct(private string $file, private array $choices) {}

    public function counts(): array
    {
        $saved = is_file($this->file) ? json_decode((string) file_get_contents($this->file), true) : [];
        return array_merge(array_fill_keys($this->choices, 0), array_intersect_key($saved ?: [], array_flip($this->choices)));
    }

    public function vote(string $choice): bool
    {
        if (!in_array($choice, $this->choices, true)) {
            return false;
        }
        $lock = fopen($this->file . '.lock', 'c');
        flock($lock, LOCK_EX);
        $counts = $this->counts();
        $counts[$choice]++;
        file_put_contents($this->file, json_encode($counts));
        fclose($lock);
        return true;
    }
}
